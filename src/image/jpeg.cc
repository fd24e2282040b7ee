// <jpeglib.h> needs size_t and FILE to be there before it.
#include <cstdio>

#include <jpeglib.h>

#include <jerror.h>

#include <csetjmp>
#include <vector>

#include "image/formats.h"

namespace tessera {
namespace {

// Files in use have about 10; each one walks over every coefficient of the picture, however few
// bytes it takes itself, so the count bounds the time.
constexpr int kMaxScans = 100;

/// libjpeg reports errors by a call that must not return: we leave by longjmp, to JpegReader::run.
struct JpegErrors {
  jpeg_error_mgr manager;  // first, so that a pointer to it is a pointer to this
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void on_error(j_common_ptr common) {
  auto* errors = reinterpret_cast<JpegErrors*>(common->err);
  errors->manager.format_message(common, errors->message.data());
  std::longjmp(errors->jump, 1);
}

/// libjpeg calls damaged data a warning and goes on with grey. What only looks odd (bytes between
/// markers, versions, the order of scans) changes no pixel and stays unmentioned.
void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;  // a trace
  switch (common->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      on_error(common);
    default:
      return;
  }
}

void on_progress(j_common_ptr common) {
  const auto* jpeg = reinterpret_cast<j_decompress_ptr>(common);
  if (jpeg->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<JpegErrors*>(common->err);
  std::snprintf(errors->message.data(), errors->message.size(), "more than %d scans", kMaxScans);
  std::longjmp(errors->jump, 1);
}

/// Owns one decompressor.
class JpegReader {
 public:
  explicit JpegReader(const ImageSource& source) : source_(source) {
    jpeg_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = on_error;
    errors_.manager.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    run([&] { jpeg_create_decompress(&jpeg_); });
    jpeg_.progress = &progress_;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }

  Image read();

 private:
  /// Runs a step that may end by longjmp: it must own nothing that has a destructor.
  template <typename Step>
  void run(const Step& step) {
    if (setjmp(errors_.jump) != 0) fail_decode(source_, "JPEG", errors_.message.data());
    step();
  }

  const ImageSource& source_;
  jpeg_decompress_struct jpeg_ = {};
  JpegErrors errors_ = {};
  jpeg_progress_mgr progress_ = {};
};

/// a * b / 255, rounded to nearest, for a and b up to 255.
int scale_255(int a, int b) {
  const int t = a * b + 128;
  return (t + (t >> 8)) >> 8;
}

/// `stored` holds paper, not ink: Adobe's programs write CMYK inverted, and Pillow takes every file
/// for theirs. colour = white - ink * white / 255, with white = what the black ink leaves.
void cmyk_to_rgb(const uint8_t* stored, int64_t width, uint8_t* rgb) {
  for (int64_t x = 0; x < width; ++x, stored += 4, rgb += 3) {
    const int white = stored[3];
    for (int c = 0; c < 3; ++c)
      rgb[c] = static_cast<uint8_t>(white - scale_255(255 - stored[c], white));
  }
}

Image JpegReader::read() {
  run([&] {
    jpeg_mem_src(&jpeg_, reinterpret_cast<const uint8_t*>(source_.bytes.data()),
                 source_.bytes.size());
    jpeg_read_header(&jpeg_, TRUE);
  });
  check_size(source_, jpeg_.image_width, jpeg_.image_height);

  const int components = jpeg_.num_components;
  if (components != 1 && components != 3 && components != 4)
    fail_decode(source_, "JPEG",
                "has " + std::to_string(components) + " components, expected 1, 3 or 4");
  const bool cmyk = components == 4;
  jpeg_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_.dct_method = JDCT_ISLOW;     // both are the library's defaults, named because
  jpeg_.do_fancy_upsampling = TRUE;  // another choice changes the last bits
  run([&] { jpeg_start_decompress(&jpeg_); });

  Image image = reserve_image(jpeg_.output_width, jpeg_.output_height);
  std::vector<uint8_t> inks(cmyk ? static_cast<size_t>(image.width * 4) : 0);
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* rgb = append_row(image);
    JSAMPROW line = cmyk ? inks.data() : rgb;
    run([&] { jpeg_read_scanlines(&jpeg_, &line, 1); });
    if (cmyk) cmyk_to_rgb(line, image.width, rgb);
  }
  return image;
}

}  // namespace

Image decode_jpeg(const ImageSource& source) {
  return JpegReader(source).read();
}

}  // namespace tessera
