#pragma once

#include <memory>
#include <vector>

#include "model/vision.h"
#include "runtime/packed_model.h"
#include "runtime/stage_memory.h"

namespace tessera {

/// The rows that a picture puts into a prompt, in host memory; `ready` passes when they are there.
/// Must outlive every micro-batch that reads them, and be gone before the runner.
struct ImageRows {
  ImageRows() = default;
  ~ImageRows() {
    if (ready != nullptr) ready->synchronize();  // a cancelled picture is still being written
  }
  ImageRows(const ImageRows&) = delete;
  ImageRows& operator=(const ImageRows&) = delete;

  std::vector<float> rows;  ///< f32 [rows_out, hidden]
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
  /// `cancel` is set, what is left of it is skipped and its rows stay 0. The flag must outlive the
  /// rows.
  std::unique_ptr<ImageRows> encode(const std::vector<float>& pixels,
                                    const CancelFlag* cancel = nullptr);

  /// The tower's output for the last picture, once it is ready: f32 [rows_out, width]. For tests;
  /// on devices whose memory the host can read.
  std::vector<float> features() const;

  void check() const { stream_->check(); }

 private:
  const ModelSpec& model_;
  Device& device_;
  DeviceBuffer weights_buffer_, arena_buffer_;
  Arena arena_;
  VisionBuffers buffers_;
  VisionWeights weights_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace tessera
