#include "runtime/stage_memory.h"

#include "model/decoder.h"
#include "model/vision.h"

namespace tessera {
namespace {

std::unique_ptr<Device> dry_device() {
  return open_simulated_device({.name = "dry run",
                                .kind = DeviceKind::kSimulated,
                                .budget_bytes = UINT64_MAX,
                                .read_bytes_per_s = 1,
                                .flops_per_s = 1});
}

}  // namespace

StageBuffers take_stage_buffers(Arena& arena, const ModelSpec& model,
                                const PipelineLimits& limits) {
  const DecoderConfig& config = model.config.decoder;
  StageBuffers buffers;
  buffers.rope = arena.take(DType::kF32, {config.head_dim / 2});
  for (int slot = 0; slot < limits.slots; ++slot)
    buffers.slots.push_back(
        {.hidden = arena.take(DType::kF32, {limits.rows, config.hidden}),
         .indices =
             arena.take(DType::kI32, {2 * limits.rows + limits.sequences * limits.max_blocks})});
  return buffers;
}

BatchRows index_views(const Tensor& indices, int64_t rows, int64_t sequences, int64_t max_blocks) {
  const Tensor blocks = indices.slice_rows(2 * rows, sequences * max_blocks);
  return {.positions = indices.slice_rows(0, rows),
          .sequence = indices.slice_rows(rows, rows),
          .blocks = {blocks.data, blocks.device, DType::kI32, {sequences, max_blocks}}};
}

std::vector<EmbeddingSlot> take_embedding_slots(Arena& arena, const ModelSpec& model,
                                                const PipelineLimits& limits) {
  std::vector<EmbeddingSlot> slots;
  for (int slot = 0; slot < limits.slots; ++slot)
    slots.push_back({.ids = arena.take(DType::kI32, {limits.rows}),
                     .rows = arena.take(DType::kF32, {limits.rows, model.config.decoder.hidden})});
  return slots;
}

VisionBuffers take_vision_buffers(Arena& arena, const ModelSpec& model) {
  const VisionConfig& vision = *model.config.vision;
  const int64_t rows = vision.rows_out();
  return {
      .pixels = arena.take(DType::kF32, {vision.channels, vision.image_size, vision.image_size}),
      .features = arena.take(DType::kF32, {rows, vision.hidden}),
      .rows = arena.take(DType::kF32, {rows, model.config.decoder.hidden})};
}

uint64_t stage_arena_bytes(const ModelSpec& model, const PipelineLimits& limits, bool with_head) {
  const DecoderConfig& config = model.config.decoder;
  const std::unique_ptr<Device> device = dry_device();
  const std::unique_ptr<Stream> stream = device->open_stream("dry run");
  Arena arena(*device);
  const StageBuffers buffers = take_stage_buffers(arena, model, limits);
  const StageSlot& slot = buffers.slots.front();
  Tensor hidden = slot.hidden;

  const UnitWeights weights(model.layers.front(), limits.wide, *device, nullptr);
  KvPages pages{.data = nullptr,
                .device = device.get(),
                .dtype = limits.kv,
                .blocks = limits.kv_blocks,
                .kv_heads = config.kv_heads,
                .head_dim = config.head_dim};
  BatchRows rows = index_views(slot.indices, limits.rows, limits.sequences, limits.max_blocks);
  rows.max_context = limits.max_blocks * kBlockTokens;
  decoder_layer(*stream, arena, config, DecoderLayer(weights), buffers.rope, rows, pages, hidden);
  if (with_head) {
    const UnitWeights head(model.head, limits.wide, *device, nullptr);
    const Arena::Scope scope(arena);
    const Tensor wanted = arena.take(DType::kF32, {limits.sequences, config.hidden});
    Tensor logits = arena.take(DType::kF32, {limits.sequences, config.vocab});
    decoder_head(*stream, arena, config, DecoderHead(head), wanted, logits);
  }
  return arena.peak_bytes();
}

uint64_t embedding_arena_bytes(const ModelSpec& model, const PipelineLimits& limits) {
  const std::unique_ptr<Device> device = dry_device();
  Arena arena(*device);
  take_embedding_slots(arena, model, limits);
  return arena.peak_bytes();
}

uint64_t vision_arena_bytes(const ModelSpec& model, Precision precision) {
  const std::unique_ptr<Device> device = dry_device();
  const std::unique_ptr<Stream> stream = device->open_stream("dry run");
  Arena arena(*device);
  VisionBuffers buffers = take_vision_buffers(arena, model);
  const UnitWeights unit(*model.vision, precision, *device, nullptr);
  const VisionWeights vision(unit, *model.config.vision, *model.config.projector);
  vision_tower(*stream, arena, *model.config.vision, vision, buffers.pixels, buffers.features);
  project(*stream, arena, *model.config.projector, vision, buffers.features, buffers.rows);
  return arena.peak_bytes();
}

}  // namespace tessera
