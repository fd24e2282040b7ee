#include "image/preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "image/resize.h"
#include "tessera/error.h"

namespace tessera {
namespace {

/// The picture in the middle of a square, not yet stored.
Canvas square_around(const Image& image, Colour colour) {
  const int64_t side = std::max(image.width, image.height);
  return {image, side, side, (side - image.width) / 2, (side - image.height) / 2, colour};
}

/// `edge` after the resize that makes the shortest edge `size`; the quotient in f64, cut off.
int64_t resized(int64_t edge, int64_t shortest, int64_t size) {
  if (edge == shortest) return size;
  return static_cast<int64_t>(static_cast<double>(size * edge) / static_cast<double>(shortest));
}

void check_spec(const PreprocessSpec& spec) {
  constexpr int64_t kMaxSize = 16384;
  if (spec.crop >= 1 && spec.crop <= spec.size && spec.size <= kMaxSize) return;
  throw Error({.where = "image preprocessing",
               .what = "crop size",
               .expected = fmt::format("1 <= crop <= size <= {}", kMaxSize),
               .found = fmt::format("crop {} of size {}", spec.crop, spec.size)});
}

}  // namespace

Colour pad_colour(const PreprocessSpec& spec) {
  Colour colour;
  for (size_t c = 0; c < 3; ++c)
    colour[c] = static_cast<uint8_t>(std::clamp(spec.mean[c] * 255, 0.0, 255.0));
  return colour;
}

Image pad_to_square(const Image& image, Colour colour) {
  const Canvas canvas = square_around(image, colour);
  Image square = blank_image(canvas.width, canvas.height);
  for (int64_t p = 0; p < canvas.width * canvas.height; ++p)
    std::copy(colour.begin(), colour.end(), square.rgb.data() + 3 * p);
  for (int64_t y = 0; y < image.height; ++y)
    std::copy_n(image.row(y), image.row_bytes(), square.row(canvas.top + y) + 3 * canvas.left);
  return square;
}

Image fit_to_model(const Image& image, const PreprocessSpec& spec) {
  check_spec(spec);
  const Canvas canvas = spec.pad_to_square ? square_around(image, pad_colour(spec))
                                           : Canvas{image, image.width, image.height};
  const int64_t shortest = std::min(canvas.width, canvas.height);
  const int64_t width = resized(canvas.width, shortest, spec.size);
  const int64_t height = resized(canvas.height, shortest, spec.size);
  return resize_bicubic(canvas, width, height,
                        {(width - spec.crop) / 2, (height - spec.crop) / 2, spec.crop, spec.crop});
}

std::vector<float> to_pixels(const Image& fitted, const PreprocessSpec& spec) {
  assert(fitted.width == spec.crop && fitted.height == spec.crop);
  const auto area = static_cast<size_t>(fitted.width * fitted.height);
  std::vector<float> pixels(3 * area);
  for (size_t c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(spec.mean[c]);
    const auto std = static_cast<float>(spec.std[c]);
    std::array<float, 256> table;
    for (size_t v = 0; v < table.size(); ++v)
      table[v] = (static_cast<float>(static_cast<double>(v) * spec.rescale) - mean) / std;
    for (size_t p = 0; p < area; ++p) pixels[c * area + p] = table[fitted.rgb[3 * p + c]];
  }
  return pixels;
}

}  // namespace tessera
