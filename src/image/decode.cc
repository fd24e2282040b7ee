#include "image/decode.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "base/file.h"
#include "image/formats.h"
#include "tessera/error.h"

namespace tessera {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view signature;
  size_t offset;
  Image (*decode)(const ImageSource&);
};

constexpr std::array kFormats = {
    Format{"\xff\xd8\xff"sv, 0, decode_jpeg}, Format{"\x89PNG\r\n\x1a\n"sv, 0, decode_png},
    Format{"WEBPVP8"sv, 8, decode_webp},      Format{"GIF87a"sv, 0, decode_gif},
    Format{"GIF89a"sv, 0, decode_gif},
};

/// Formats that people do have, named so that they learn what is wrong with the file.
struct Stranger {
  std::string_view signature;
  size_t offset;
  const char* name;
};

constexpr std::array kStrangers = {
    Stranger{"BM"sv, 0, "a BMP"},
    Stranger{"II*\0"sv, 0, "a TIFF"},
    Stranger{"MM\0*"sv, 0, "a TIFF"},
    Stranger{"ftypavif"sv, 4, "an AVIF"},
    Stranger{"ftyphei"sv, 4, "a HEIC"},
    Stranger{"ftypmif1"sv, 4, "a HEIC"},
    Stranger{"\0\0\0\x0cJXL "sv, 0, "a JPEG XL"},
    Stranger{"\xff\x0a"sv, 0, "a JPEG XL"},
    Stranger{"<svg"sv, 0, "an SVG"},
    Stranger{"<?xml"sv, 0, "XML"},
    Stranger{"%PDF-"sv, 0, "a PDF"},
};

bool has_signature(std::string_view bytes, size_t offset, std::string_view signature) {
  return bytes.size() >= offset && bytes.substr(offset).starts_with(signature);
}

std::string name_of_stranger(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  for (const Stranger& s : kStrangers)
    if (has_signature(bytes, s.offset, s.signature)) return s.name;
  std::string hex = "bytes";
  for (const char c : bytes.substr(0, 8)) hex += fmt::format(" {:02x}", static_cast<uint8_t>(c));
  return hex;
}

}  // namespace

void check_size(const ImageSource& source, int64_t width, int64_t height) {
  const ImageLimits& limits = source.limits;
  const auto fits = [&](int64_t side) { return side >= 1 && side <= limits.max_side; };
  // Both sides are below 2^31 here, so the product does not overflow.
  if (fits(width) && fits(height) && static_cast<uint64_t>(width * height) <= limits.max_pixels)
    return;
  throw Error({.where = source.where,
               .what = "picture size",
               .expected = fmt::format("1 to {} pixels a side, at most {} in all", limits.max_side,
                                       limits.max_pixels),
               .found = fmt::format("{} x {}", width, height)});
}

Image reserve_image(int64_t width, int64_t height) {
  Image image{width, height, {}};
  image.rgb.reserve(static_cast<size_t>(height * image.row_bytes()));
  return image;
}

uint8_t* append_row(Image& image) {
  const size_t start = image.rgb.size();
  image.rgb.resize(start + static_cast<size_t>(image.row_bytes()));
  return image.rgb.data() + start;
}

void fail_decode(const ImageSource& source, const char* format, const std::string& reason) {
  throw Error({.where = source.where, .what = fmt::format("{} picture: {}", format, reason)});
}

Image decode_image(std::span<const std::byte> bytes, const std::string& where,
                   const ImageLimits& limits) {
  if (bytes.size() > limits.max_file_bytes)
    throw Error({.where = where,
                 .what = "picture",
                 .expected = fmt::format("at most {}", format_bytes(limits.max_file_bytes)),
                 .found = format_bytes(bytes.size())});
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats)
    if (has_signature(text, format.offset, format.signature))
      return format.decode({bytes, where, limits});
  throw Error({.where = where,
               .what = "not a picture",
               .expected = "a JPEG, PNG, WebP or GIF",
               .found = name_of_stranger(text)});
}

Image read_image(const std::string& path, const ImageLimits& limits) {
  // Read, not mapped: a file that another program shortens meanwhile must not end the process.
  const std::string bytes = read_file(path, limits.max_file_bytes);
  return decode_image(std::as_bytes(std::span(bytes)), path, limits);
}

}  // namespace tessera
