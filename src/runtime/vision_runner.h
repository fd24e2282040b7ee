#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "model/vision.h"
#include "runtime/packed_model.h"
#include "runtime/stage_memory.h"

namespace tessera {

class VisionRunner;

/// The rows that a picture puts into a prompt, in host memory; `ready` passes when they are there.
/// Must outlive every micro-batch that reads them, and be gone before the runner.
struct ImageRows {
  explicit ImageRows(VisionRunner& runner);
  ~ImageRows();
  ImageRows(const ImageRows&) = delete;
  ImageRows& operator=(const ImageRows&) = delete;

  VisionRunner& home;
  HostBuffer memory;
  std::span<const float> rows;  ///< f32 [rows_out, hidden]
  std::unique_ptr<Event> begin, ready;

  double encode_s() const { return ready->time_s() - begin->time_s(); }  ///< once ready has passed
};

/// The vision tower and projector on their device, with a stream of their own. encode() is called
/// by one thread at a time.
class VisionRunner {
 public:
  VisionRunner(const ModelSpec& model, Device& device, Precision precision,
               const PackedModel* packed = nullptr);
  ~VisionRunner();

  Device& device() const { return device_; }
  void* unit_base() const { return weights_buffer_.data(); }

  /// Queues one picture; pixels f32 [channels, size, size] are copied before the call returns. Once
  /// `cancel` is set, what is left of it is skipped and its rows are nothing. The flag must outlive
  /// the rows. Throws what broke the stream.
  std::unique_ptr<ImageRows> encode(const std::vector<float>& pixels,
                                    const CancelFlag* cancel = nullptr);

  /// The tower's output for the last picture, once it is ready: f32 [rows_out, width]. For tests.
  std::vector<float> features() const;

  void check() const { stream_->check(); }
  /// As Stage::open_streams.
  void open_streams() { stream_ = device_.open_background_stream("vision"); }

 private:
  friend struct ImageRows;
  HostBuffer take_host_rows();
  void give_back(HostBuffer rows);

  const ModelSpec& model_;
  Device& device_;
  DeviceBuffer weights_buffer_, arena_buffer_;
  Arena arena_;
  VisionBuffers buffers_;
  VisionWeights weights_;
  HostBuffer host_pixels_;
  std::unique_ptr<Event> uploaded_;  // the last picture's pixels have left host_pixels_
  std::mutex mutex_;
  std::vector<HostBuffer> free_host_rows_;  // of pictures that are gone: pinning takes long
  std::unique_ptr<Stream> stream_;
};

}  // namespace tessera
