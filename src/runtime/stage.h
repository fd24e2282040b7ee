#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "model/decoder.h"
#include "runtime/loader.h"
#include "runtime/micro_batch.h"
#include "runtime/packed_model.h"
#include "runtime/stage_memory.h"

namespace tessera {

/// One device's consecutive decoder layers at run time: their weights, KV pages, arena and streams.
/// Everything is allocated by the constructor; a step allocates nothing on the device. submit() is
/// called by one thread.
class Stage {
 public:
  /// Books and allocates; weights are still to be loaded (load_targets()). `head`: the precision of
  /// the output head, on the last stage. `packed`: the copy that the weights come from; may be
  /// null. Throws Error when the device's budget is too small.
  Stage(const ModelSpec& model, const StagePlacement& placement, std::optional<Precision> head,
        const PipelineLimits& limits, const PackedModel* packed);
  ~Stage();

  Device& device() const { return *placement_.device; }
  const StagePlacement& placement() const { return placement_; }
  bool with_head() const { return head_ != std::nullopt; }

  /// Where the loader puts the units of this stage: the layers in order, then the head.
  std::vector<LoadTarget> load_targets() const;

  /// Stores one of these units in another precision, in the memory that it has: its weights are to
  /// be loaded again, into what comes back. Nothing may be in flight. Throws Error when the unit
  /// would need more memory than it was given.
  LoadTarget change_precision(const UnitSpec& unit, Precision precision);

  /// Makes the first copy to the stage behind this one, of nothing that anyone reads: whatever a
  /// link sets up at its first copy is set up before the first step. Throws what that throws.
  void open_link(Stage& next);

  /// What lies on the stages is from now on that of this epoch of the plan: micro-batches of
  /// another are refused. Nothing may be in flight.
  void begin_epoch(int64_t epoch) { epoch_ = epoch; }

  StageSlot& slot(int index) { return buffers_.slots[static_cast<size_t>(index)]; }
  Stream& compute() { return *compute_; }

  /// Queues this stage's part of the micro-batch, whose rows stand in its slot once
  /// batch.input_ready has passed, and returns. With `next`, the hidden rows are then copied to its
  /// slot; without, the wanted rows go through the head, their logits to the host, and tokens
  /// are drawn. What is left of a cancelled batch is skipped, queued or not. Throws Error for a
  /// batch of another epoch, with nothing queued.
  void submit(MicroBatch& batch, Stage* next);

  /// After a submit that threw: marks the batch's end, so that wait_done covers what was queued.
  void abandon(const MicroBatch& batch);

  /// Waits for everything queued, whatever became of it.
  void drain() noexcept;

  /// The host waits until this stage has finished the batch.
  void wait_done(const MicroBatch& batch);
  void wait_done(const MicroBatch& batch, Stream& waiting);  ///< a stream waits

  /// Whether this stage, which has queued the batch, has finished it. From any thread.
  bool done(const MicroBatch& batch) const;

  /// New streams in place of broken ones. Nothing may be in flight. Throws the Error of a device
  /// that is lost.
  void open_streams();

  // After wait_done; seconds of the device's clock.
  double begin_s(const MicroBatch& batch) const;  ///< when the batch began on this stage
  double end_s(const MicroBatch& batch) const;
  double busy_s(const MicroBatch& batch) const { return end_s(batch) - begin_s(batch); }

  /// Throws what broke one of the streams.
  void check() const;

 private:
  struct SlotMarks {
    std::unique_ptr<Event> begin, end, sent;
  };

  void check_epoch(const MicroBatch& batch) const;
  bool is_plain_decode(const MicroBatch& batch) const;
  void run_layers(MicroBatch& batch, StageSlot& slot);
  void run_decode(MicroBatch& batch, StageSlot& slot);
  void run_rows(MicroBatch& batch, StageSlot& slot, const BatchRows& rows);
  BatchRows rows_of(const MicroBatch& batch, const StageSlot& slot) const;
  void upload_rows(const MicroBatch& batch, const StageSlot& slot);
  void copy_blocks(const MicroBatch& batch);
  void run_head(MicroBatch& batch, const Tensor& hidden);

  const ModelSpec& model_;
  StagePlacement placement_;
  std::optional<Precision> head_precision_;

  std::vector<DeviceBuffer> weights_;  // as load_targets()
  std::vector<DeviceBuffer> kv_;       // one pool per layer
  DeviceBuffer arena_buffer_;
  std::optional<Arena> arena_;
  StageBuffers buffers_;
  std::vector<float> rope_host_;
  std::vector<DecoderLayer> layers_;
  std::vector<KvPages> pages_;
  std::optional<DecoderHead> head_;
  int64_t epoch_ = 0;
  int64_t weights_changed_ = 0;  // how often: what was kept of a step is of the weights before
  std::vector<SlotMarks> marks_;
  // Declared last: streams finish what they hold before the memory under it goes.
  std::unique_ptr<Stream> compute_, send_;
};

}  // namespace tessera
