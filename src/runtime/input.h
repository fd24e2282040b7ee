#pragma once

#include <memory>
#include <vector>

#include "runtime/micro_batch.h"
#include "runtime/stage.h"
#include "runtime/stage_memory.h"

namespace tessera {

/// The token embedding, on any device or the host: looks up a micro-batch's rows and brings them,
/// and the rows of its pictures, into the first stage's slot.
class TokenInput {
 public:
  TokenInput(const ModelSpec& model, Device& device, const PipelineLimits& limits,
             const PackedModel* packed);
  ~TokenInput();

  Device& device() const { return device_; }
  void* unit_base() const { return weights_.data(); }  ///< where the loader puts the table

  /// As Stage::open_streams.
  void open_streams() { stream_ = device_.open_stream("embedding"); }

  /// As Stage::open_link.
  void open_link(Stage& first);

  /// Queues the look-up and the copies, in front of what `first` is given next. Called by one
  /// thread, the one that submits to `first`.
  void submit(const MicroBatch& batch, Stage& first);

  void check() const { stream_->check(); }

 private:
  Device& device_;
  DeviceBuffer weights_, arena_buffer_;
  std::vector<EmbeddingSlot> slots_;
  Tensor table_;
  std::vector<std::unique_ptr<Event>> ready_;  // one for each slot
  std::unique_ptr<Stream> stream_;
};

}  // namespace tessera
