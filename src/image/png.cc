#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "image/formats.h"

namespace tessera {
namespace {

/// Owns one libpng reader. libpng reports errors by a call that must not return: we leave by
/// longjmp, to run().
class PngReader {
 public:
  explicit PngReader(const ImageSource& source) : source_(source) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail_decode(source_, "PNG", "no memory for the decoder");
    }
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image read();

 private:
  /// Runs a step that may end by longjmp: it must own nothing that has a destructor.
  template <typename Step>
  void run(const Step& step) {
    if (setjmp(jump_) != 0) fail_decode(source_, "PNG", message_.data());
    step();
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->message_.data(), self->message_.size(), "%s", message);
    std::longjmp(self->jump_, 1);
  }
  /// Such files decode, and to the same pixels everywhere.
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep out, size_t bytes) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (self->source_.bytes.size() - self->offset_ < bytes) png_error(png, "ends too early");
    std::memcpy(out, self->source_.bytes.data() + self->offset_, bytes);
    self->offset_ += bytes;
  }

  void read_header();
  Image read_rgb(int passes);
  Image read_grey16(int passes);

  const ImageSource& source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  size_t offset_ = 0;
  std::jmp_buf jump_ = {};
  std::array<char, 160> message_ = {};
};

void PngReader::read_header() {
  run([&] {
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // ours follow, below
    // Colour profiles, texts and the like are skipped unread: they may be compressed a thousandfold
    // and change no pixel here.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
  });
  check_size(source_, png_get_image_width(png_, info_), png_get_image_height(png_, info_));
}

Image PngReader::read() {
  read_header();
  // Pillow holds 16-bit grey as integers and clips them; of other 16-bit samples it takes the
  // upper half.
  const bool grey16 = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY &&
                      png_get_bit_depth(png_, info_) == 16;
  int passes = 1;
  run([&] {
    if (!grey16) {
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      png_set_palette_to_rgb(png_);
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_gray_to_rgb(png_);
    }
    passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  });
  return grey16 ? read_grey16(passes) : read_rgb(passes);
}

Image PngReader::read_rgb(int passes) {
  const int64_t width = png_get_image_width(png_, info_);
  const int64_t height = png_get_image_height(png_, info_);
  Image image = reserve_image(width, height);
  if (static_cast<int64_t>(png_get_rowbytes(png_, info_)) != image.row_bytes())
    fail_decode(source_, "PNG", "unknown kind of pixels");
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* row = append_row(image);
    run([&] { png_read_row(png_, row, nullptr); });
  }
  for (int pass = 1; pass < passes; ++pass)
    for (int64_t y = 0; y < height; ++y) run([&] { png_read_row(png_, image.row(y), nullptr); });
  return image;
}

Image PngReader::read_grey16(int passes) {
  const int64_t width = png_get_image_width(png_, info_);
  const int64_t height = png_get_image_height(png_, info_);
  // An interlaced picture needs all its rows at once; else one row serves for all.
  const int64_t rows_kept = passes > 1 ? height : 1;
  std::vector<uint8_t> big_endian(static_cast<size_t>(rows_kept * width * 2));
  const auto kept = [&](int64_t y) { return big_endian.data() + (y % rows_kept) * width * 2; };

  for (int pass = 0; pass + 1 < passes; ++pass)
    for (int64_t y = 0; y < height; ++y) run([&] { png_read_row(png_, kept(y), nullptr); });
  Image image = reserve_image(width, height);
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* samples = kept(y);
    run([&] { png_read_row(png_, samples, nullptr); });
    uint8_t* rgb = append_row(image);
    for (int64_t x = 0; x < width; ++x)
      std::fill_n(rgb + 3 * x, 3, samples[2 * x] == 0 ? samples[2 * x + 1] : uint8_t{255});
  }
  return image;
}

}  // namespace

Image decode_png(const ImageSource& source) {
  return PngReader(source).read();
}

}  // namespace tessera
