#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/units.h"
#include "image/image.h"

namespace tessera {

/// What a picture may ask of the host. The sides that its header declares are held against these
/// before any pixel is decoded, so a bomb costs nothing.
struct ImageLimits {
  uint64_t max_file_bytes = 64 * kMiB;
  /// Room for the largest phone cameras (108 megapixels). A picture takes 3 bytes a pixel, and
  /// while it is decoded up to 8 more (a progressive CMYK JPEG keeps all its coefficients).
  uint64_t max_pixels = 128 * kMiB;
  int64_t max_side = 65535;
};

/// Decodes a JPEG, PNG, WebP or GIF, told apart by content and never by name. The pixels are those
/// of Pillow's Image.open(...).convert("RGB"), bit for bit:
///   - alpha, colour keys and transparent palette entries are dropped, not composited;
///   - grey is replicated; 16-bit grey is clipped at 255, other 16-bit samples keep the high byte;
///   - CMYK counts as Adobe's inverted kind: each colour is ink * (255 - black) / 255, rounded;
///   - an animation gives its first frame, on the whole canvas;
///   - EXIF orientation, gamma and colour profiles are ignored, as in the reference of Yi-VL.
/// A truncated or damaged picture is an Error that names `where`; Pillow forgives some damage.
Image decode_image(std::span<const std::byte> bytes, const std::string& where,
                   const ImageLimits& limits = {});

/// decode_image of a file.
Image read_image(const std::string& path, const ImageLimits& limits = {});

}  // namespace tessera
