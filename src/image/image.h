#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

/// Red, green, blue.
using Colour = std::array<uint8_t, 3>;

/// 8-bit RGB, rows top to bottom, [height, width, 3], tightly packed. Owns its pixels.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb = {};

  int64_t row_bytes() const { return width * 3; }
  const uint8_t* row(int64_t y) const { return rgb.data() + y * row_bytes(); }
  uint8_t* row(int64_t y) { return rgb.data() + y * row_bytes(); }
};

/// A black picture.
inline Image blank_image(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
}

}  // namespace tessera
