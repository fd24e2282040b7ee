#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "image/formats.h"

namespace tessera {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const noexcept { WebPDemuxDelete(demuxer); }
};

/// One frame of a file. Releases the iterator, which points into the file's bytes.
class FirstFrame {
 public:
  explicit FirstFrame(const WebPDemuxer* demuxer)
      : found_(WebPDemuxGetFrame(demuxer, 1, &frame_) != 0) {}
  FirstFrame(const FirstFrame&) = delete;
  FirstFrame& operator=(const FirstFrame&) = delete;
  ~FirstFrame() { WebPDemuxReleaseIterator(&frame_); }

  bool complete() const { return found_ && frame_.complete != 0; }
  const WebPIterator* operator->() const { return &frame_; }

 private:
  WebPIterator frame_ = {};
  bool found_;
};

}  // namespace

Image decode_webp(const ImageSource& source) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(source.bytes.data()),
                         source.bytes.size()};
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));
  if (!demuxer) fail_decode(source, "WebP", "damaged, or ends too early");
  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_size(source, width, height);

  const FirstFrame frame(demuxer.get());
  if (!frame.complete()) fail_decode(source, "WebP", "holds no complete frame");
  // The demuxer has checked that the frame lies inside the canvas; what it leaves bare is black.
  Image image = blank_image(width, height);
  const int64_t start = frame->y_offset * image.row_bytes() + frame->x_offset * 3;
  const size_t room = image.rgb.size() - static_cast<size_t>(start);
  if (WebPDecodeRGBInto(frame->fragment.bytes, frame->fragment.size, image.rgb.data() + start, room,
                        static_cast<int>(image.row_bytes())) == nullptr)
    fail_decode(source, "WebP", "damaged, or ends too early");
  return image;
}

}  // namespace tessera
