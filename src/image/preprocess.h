#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/image.h"

namespace tessera {

/// What preprocessor_config.json and the model's image_aspect_ratio say of pictures.
struct PreprocessSpec {
  int64_t size = 0;                 ///< shortest edge after resizing, pixels
  int64_t crop = 0;                 ///< side of the model's square, pixels; <= size
  std::array<double, 3> mean = {};  ///< of red, green, blue, after rescaling
  std::array<double, 3> std = {};   ///< above 0
  double rescale = 1.0 / 255.0;
  bool pad_to_square = true;  ///< else the crop cuts off what sticks out
};

/// The colour of the borders: int(mean * 255) a channel, (122, 116, 104) for Yi-VL.
Colour pad_colour(const PreprocessSpec& spec);

/// The picture in the middle of a square of `colour`, half a pixel towards the top left where it
/// cannot be exact. Memory: side * side * 3 bytes, so for small pictures and tests; fit_to_model
/// does without it.
Image pad_to_square(const Image& image, Colour colour);

/// [crop, crop] of RGB: padded to a square (if the spec says so), resized so that the shortest edge
/// is `size`, cut to the middle. Bit-identical to Pillow with CLIPImageProcessor; there is no
/// smallest side. Throws Error when the spec contradicts itself.
Image fit_to_model(const Image& image, const PreprocessSpec& spec);

/// f32 [3, crop, crop], channel first: value * rescale in f64, rounded to f32, then
/// (x - mean) / std in f32, as CLIPImageProcessor computes it. `fitted` is from fit_to_model.
std::vector<float> to_pixels(const Image& fitted, const PreprocessSpec& spec);

}  // namespace tessera
