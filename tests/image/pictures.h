#pragma once

#include <zlib.h>

#include <cstddef>
#include <span>
#include <string>

#include "base/file.h"
#include "image/image.h"

namespace tessera {

/// CRC-32 of the RGB bytes, row by row: how the recorded pictures are compared.
inline uint32_t crc(const Image& image) {
  return static_cast<uint32_t>(crc32(0, image.rgb.data(), static_cast<unsigned>(image.rgb.size())));
}

/// A file of tests/golden/pictures.
inline std::string picture_path(const std::string& name) {
  return std::string(TESSERA_GOLDEN_DIR) + "/pictures/" + name;
}
inline std::string picture_bytes(const std::string& name) {
  return read_file(picture_path(name), 1 << 20);
}

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// The synthetic picture of the recorded resize results.
inline Image pattern(int64_t width, int64_t height) {
  Image image = blank_image(width, height);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] =
            static_cast<uint8_t>((7 * x + 13 * y + 29 * c + (x * y) % 251) & 255);
  return image;
}

}  // namespace tessera
