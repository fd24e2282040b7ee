#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "runtime/input.h"
#include "runtime/stage.h"
#include "runtime/vision_runner.h"

namespace tessera {

/// What one stage did so far, measured by events on its compute stream. Steps with any rows of a
/// prompt count as prefill.
struct StageTimes {
  double prefill_s = 0, decode_s = 0;
  int64_t prefill_rows = 0, decode_rows = 0, prefill_steps = 0, decode_steps = 0;
  double begun_s = 0, ended_s = 0;  ///< the first step, and the last; of the device's clock
};

/// The stages in order, a thread and a bounded queue for each, and as many micro-batches in flight
/// as there are slots. Device work is queued ahead of time by the stages' threads, so no stage
/// waits for the host.
///
///   MicroBatch& batch = pipeline.acquire();  fill it;  pipeline.submit(batch);
///   pipeline.wait(batch);  read its results;  pipeline.release(batch);
///
/// acquire, submit and release are called by one thread, and wait by one, in the order of the
/// submits. After a failure in a step the pipeline is broken: every batch in flight and every later
/// one ends with an Error, until recover().
class Pipeline {
 public:
  /// Books and allocates all device memory (`model` is kept by reference); weights are then loaded
  /// into load_targets(). Of a packed copy each device takes its own units as they are.
  Pipeline(const ModelSpec& model, const Placement& placement, const PipelineLimits& limits,
           const PackedModel* packed = nullptr);
  ~Pipeline();

  const PipelineLimits& limits() const { return limits_; }
  std::vector<LoadTarget> load_targets() const;  ///< all units, vision and embedding too

  /// Which plan the stages carry out: raised by whatever changes what lies on them. A micro-batch
  /// is of the epoch in which it was acquired, and ends with an Error where it meets another. From
  /// any thread.
  int64_t epoch() const { return epoch_.load(std::memory_order_relaxed); }

  /// Stage::change_precision of the stage that has this layer or the head, in an epoch of its own.
  LoadTarget change_precision(const UnitSpec& unit, Precision precision);

  int free_slots() const { return static_cast<int>(free_.size()); }

  /// A free micro-batch, cleared; free_slots() must not be 0. Throws what broke the pipeline.
  MicroBatch& acquire();
  void submit(MicroBatch& batch);
  /// Until the batch has left the last stage. Throws the Error that ended it; a cancelled batch
  /// returns without results.
  void wait(MicroBatch& batch);
  /// Must have been waited for, even when it failed.
  void release(MicroBatch& batch);

  /// After a failure, once every batch has been released: new streams for the broken ones. Throws
  /// the Error of a device that is lost; then the pipeline stays broken.
  void recover();

  /// Whether there are GPUs among its devices, which can be lost while nothing runs.
  bool has_gpus() const { return !gpus_.empty(); }
  /// Device::check_alive of each of them. From any thread.
  void check_gpus() const;

  /// The stage where a batch in flight is. From any thread.
  int stage_of(const MicroBatch& batch) const;

  bool has_vision() const { return vision_ != nullptr; }
  VisionRunner& vision() { return *vision_; }

  int stage_count() const { return static_cast<int>(stages_.size()); }
  const Stage& stage(int index) const { return *stages_[static_cast<size_t>(index)]; }
  Stage& stage(int index) { return *stages_[static_cast<size_t>(index)]; }
  StageTimes times(int stage) const;  ///< from any thread

 private:
  void run_stage(size_t index);
  void check_streams() const;
  void begin_epoch();

  const ModelSpec& model_;
  const PipelineLimits limits_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::unique_ptr<TokenInput> input_;
  std::unique_ptr<VisionRunner> vision_;
  std::vector<Device*> gpus_;
  std::vector<std::unique_ptr<MicroBatch>> batches_;
  std::vector<MicroBatch*> free_;
  // In simulated time the host waits on a stream of its own, and a batch begins no sooner than it
  // was acquired. Null in real time.
  std::unique_ptr<Stream> host_clock_;
  std::vector<std::unique_ptr<Event>> begun_;  // by slot
  mutable std::mutex mutex_;                   // of times_ and broken_
  std::vector<StageTimes> times_;
  std::exception_ptr broken_;
  std::atomic<int64_t> epoch_{0};

  std::vector<std::unique_ptr<BoundedQueue<MicroBatch*>>> queues_;  // in front of each stage
  std::vector<std::thread> threads_;
};

}  // namespace tessera
