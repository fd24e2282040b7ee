#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "image/decode.h"
#include "image/image.h"

namespace tessera {

/// One picture file in memory, on its way through a decoder. Owns nothing.
struct ImageSource {
  std::span<const std::byte> bytes;
  const std::string& where;
  const ImageLimits& limits;
};

/// The decoders behind decode_image, one file each. `bytes` starts with the format's signature.
Image decode_jpeg(const ImageSource& source);
Image decode_png(const ImageSource& source);
Image decode_webp(const ImageSource& source);
Image decode_gif(const ImageSource& source);

/// Throws Error when a declared size is empty or beyond the limits. To be called before anything of
/// that size is allocated.
void check_size(const ImageSource& source, int64_t width, int64_t height);

/// Reserves the picture, without touching the memory: a file that declares much and holds little
/// then costs little, because rows become real one by one, in append_row.
Image reserve_image(int64_t width, int64_t height);
uint8_t* append_row(Image& image);

/// The Error of every decoder: "where: JPEG picture: reason".
[[noreturn]] void fail_decode(const ImageSource& source, const char* format,
                              const std::string& reason);

}  // namespace tessera
