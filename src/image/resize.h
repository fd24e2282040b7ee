#pragma once

#include <cstdint>

#include "base/isa.h"
#include "image/image.h"

namespace tessera {

/// `image` laid on a ground of one colour, at (left, top); it lies inside. A view: owns nothing,
/// and the ground is never stored, so that a picture of 65,000 x 1 can be made square.
struct Canvas {
  const Image& image;
  int64_t width, height;
  int64_t left = 0, top = 0;
  Colour ground = {};
};

/// A rectangle of pixels.
struct Window {
  int64_t left, top, width, height;
};

/// The picture at width x height >= 1 x 1, bit-identical to Pillow's resize(..., BICUBIC): a
/// horizontal pass, then a vertical one, with 8-bit pixels between them.
Image resize_bicubic(const Image& image, int64_t width, int64_t height, Isa isa = best_isa());

/// `window` of the canvas resized to width x height. Work and memory follow the window, not the
/// whole.
Image resize_bicubic(const Canvas& canvas, int64_t width, int64_t height, const Window& window,
                     Isa isa = best_isa());

}  // namespace tessera
