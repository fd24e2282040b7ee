#include "runtime/input.h"

#include "ops/embedding.h"

namespace tessera {

TokenInput::TokenInput(const ModelSpec& model, Device& device, const PipelineLimits& limits,
                       const PackedModel* packed)
    : device_(device),
      weights_(weights_memory(model.embedding, limits.wide, device, packed)),
      arena_buffer_(device.allocate(embedding_arena_bytes(model, limits), MemoryKind::kArena,
                                    model.embedding.name)),
      table_(UnitWeights(model.embedding, limits.wide, device, weights_.data()).table("table")) {
  Arena arena(arena_buffer_);
  slots_ = take_embedding_slots(arena, model, limits);
  for (int slot = 0; slot < limits.slots; ++slot) ready_.push_back(device.make_event());
  open_streams();
}

TokenInput::~TokenInput() = default;

void TokenInput::open_link(Stage& first) {
  if (device_.info().kind == DeviceKind::kSimulated) return;
  const Tensor row = slots_.front().rows.slice_rows(0, 1);
  stream_->copy(first.slot(0).hidden.data, &first.device(), row.data, &device_, row.bytes());
  stream_->synchronize();
}

void TokenInput::submit(const MicroBatch& batch, Stage& first) {
  const EmbeddingSlot& slot = slots_[static_cast<size_t>(batch.slot)];
  const int64_t n = batch.rows();
  const Tensor ids = slot.ids.slice_rows(0, n);
  Tensor rows = slot.rows.slice_rows(0, n);
  if (batch.begun != nullptr) stream_->wait(*batch.begun);
  stream_->copy(ids.data, &device_, batch.packed_ids().data(), nullptr, ids.bytes());
  embedding(*stream_, ids, table_, rows);
  const Tensor hidden = first.slot(batch.slot).hidden.slice_rows(0, n);
  stream_->copy(hidden.data, &first.device(), rows.data, &device_, rows.bytes());
  Event& ready = *ready_[static_cast<size_t>(batch.slot)];
  stream_->record(ready);

  // A picture's rows come over the first stage's own link, after the text's: they lie over them.
  Stream& compute = first.compute();
  compute.wait(ready);
  for (const ImageSlice& image : batch.images) {
    const Tensor to = hidden.slice_rows(image.first_row, image.count);
    compute.wait(*image.ready);
    compute.copy(to.data, &first.device(), image.rows, nullptr, to.bytes());
  }
}

}  // namespace tessera
