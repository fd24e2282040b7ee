#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "image/formats.h"

namespace tessera {
namespace {

/// Owns one GIF reader.
class GifReader {
 public:
  explicit GifReader(const ImageSource& source) : source_(source) {
    int code = 0;
    gif_ = DGifOpen(this, on_read, &code);
    if (gif_ == nullptr) fail(code);
  }
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;
  ~GifReader() { DGifCloseFile(gif_, nullptr); }

  Image read();

 private:
  static int on_read(GifFileType* gif, GifByteType* out, int bytes) {
    auto* self = static_cast<GifReader*>(gif->UserData);
    const size_t count =
        std::min(static_cast<size_t>(bytes), self->source_.bytes.size() - self->offset_);
    std::memcpy(out, self->source_.bytes.data() + self->offset_, count);
    self->offset_ += count;
    return static_cast<int>(count);
  }

  [[noreturn]] void fail(int code) const {
    const char* text = GifErrorString(code);
    fail_decode(source_, "GIF", text != nullptr ? text : "damaged");
  }
  void check(int result) const {
    if (result == GIF_ERROR) fail(gif_->Error);
  }

  void find_first_frame();
  void read_extension();
  std::vector<Colour> palette() const;

  const ImageSource& source_;
  GifFileType* gif_ = nullptr;
  size_t offset_ = 0;
  std::optional<int> transparent_;  // palette index
};

/// Reads records up to the first frame's descriptor.
void GifReader::find_first_frame() {
  while (true) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    check(DGifGetRecordType(gif_, &type));
    if (type == IMAGE_DESC_RECORD_TYPE) break;
    if (type == TERMINATE_RECORD_TYPE) fail_decode(source_, "GIF", "holds no frame");
    if (type == EXTENSION_RECORD_TYPE) read_extension();
  }
  check(DGifGetImageDesc(gif_));
}

void GifReader::read_extension() {
  int code = 0;
  GifByteType* block = nullptr;  // a length byte, then as many bytes; inside the reader
  check(DGifGetExtension(gif_, &code, &block));
  while (block != nullptr) {
    GraphicsControlBlock control;
    if (code == GRAPHICS_EXT_FUNC_CODE &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK &&
        control.TransparentColor != NO_TRANSPARENT_COLOR)
      transparent_ = control.TransparentColor;
    check(DGifGetExtensionNext(gif_, &block));
  }
}

/// 256 colours: the frame's own map, or the file's, or grey; black beyond its end.
std::vector<Colour> GifReader::palette() const {
  std::vector<Colour> colours(256);
  const ColorMapObject* map =
      gif_->Image.ColorMap != nullptr ? gif_->Image.ColorMap : gif_->SColorMap;
  for (size_t i = 0; i < colours.size(); ++i) {
    if (map == nullptr) {
      colours[i].fill(static_cast<uint8_t>(i));
    } else if (i < static_cast<size_t>(map->ColorCount)) {
      colours[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
    }
  }
  return colours;
}

/// The order in which a frame's rows are stored: rows y = first, first + step, ...
struct RowSteps {
  int first, step;
};
constexpr std::array kPlain = {RowSteps{0, 1}};
constexpr std::array kInterlaced = {RowSteps{0, 8}, RowSteps{4, 8}, RowSteps{2, 4}, RowSteps{1, 2}};

Image GifReader::read() {
  check_size(source_, gif_->SWidth, gif_->SHeight);
  find_first_frame();
  const GifImageDesc& frame = gif_->Image;
  if (frame.Width < 1 || frame.Height < 1) fail_decode(source_, "GIF", "its first frame is empty");
  // Pillow enlarges the canvas for a frame that reaches over its edge.
  const int64_t width = std::max(gif_->SWidth, frame.Left + frame.Width);
  const int64_t height = std::max(gif_->SHeight, frame.Top + frame.Height);
  check_size(source_, width, height);

  const std::vector<Colour> colours = palette();
  const Colour& ground = colours[static_cast<size_t>(transparent_.value_or(0))];
  Image image = blank_image(width, height);
  for (int64_t p = 0; p < width * height; ++p)
    std::copy(ground.begin(), ground.end(), image.rgb.data() + 3 * p);

  std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
  const std::span<const RowSteps> passes =
      frame.Interlace ? std::span<const RowSteps>(kInterlaced) : std::span<const RowSteps>(kPlain);
  for (const RowSteps& pass : passes) {
    for (int y = pass.first; y < frame.Height; y += pass.step) {
      check(DGifGetLine(gif_, line.data(), frame.Width));
      uint8_t* rgb = image.row(frame.Top + y) + int64_t{3} * frame.Left;
      for (size_t x = 0; x < line.size(); ++x)
        std::copy(colours[line[x]].begin(), colours[line[x]].end(), rgb + 3 * x);
    }
  }
  return image;
}

}  // namespace

Image decode_gif(const ImageSource& source) {
  return GifReader(source).read();
}

}  // namespace tessera
