#include "runtime/stage_memory.h"

#include <cmath>

#include "model/decoder.h"
#include "model/vision.h"
#include "ops/sample_rows.h"
#include "runtime/token_drawing.h"

namespace tessera {
namespace {

// A device that carries nothing, whose clock counts the ops that were queued.
class DryRun {
 public:
  DryRun()
      : device_(open_simulated_device({.name = "dry run",
                                       .kind = DeviceKind::kSimulated,
                                       .budget_bytes = UINT64_MAX,
                                       .op_overhead_s = 1})),
        stream_(device_->open_stream("dry run")),
        arena_(*device_) {}

  Arena& arena() { return arena_; }
  int64_t ops() {
    const std::unique_ptr<Event> end = device_->make_event();
    stream_->record(*end);
    return std::llround(end->time_s());
  }

  void layer(const ModelSpec& model, const PipelineLimits& limits, const StageBuffers& buffers) {
    const DecoderConfig& config = model.config.decoder;
    const UnitWeights weights(model.layers.front(), limits.wide, *device_, nullptr);
    KvPages pages{.data = nullptr,
                  .device = device_.get(),
                  .format = limits.kv,
                  .blocks = limits.kv_blocks,
                  .kv_heads = config.kv_heads,
                  .head_dim = config.head_dim};
    const StageSlot& slot = buffers.slots.front();
    BatchRows rows = index_views(slot.indices, limits.rows, limits.sequences, limits.max_blocks);
    rows.max_context = limits.max_blocks * kBlockTokens;
    Tensor hidden = slot.hidden;
    decoder_layer(*stream_, arena_, config, DecoderLayer(weights), buffers.rope, rows, pages,
                  hidden);
  }

  void head(const ModelSpec& model, const PipelineLimits& limits) {
    const DecoderConfig& config = model.config.decoder;
    const UnitWeights weights(model.head, limits.wide, *device_, nullptr);
    const Arena::Scope scope(arena_);
    const Tensor wanted = arena_.take(DType::kF32, {limits.wanted, config.hidden});
    Tensor logits = arena_.take(DType::kF32, {limits.wanted, config.vocab});
    decoder_head(*stream_, arena_, config, DecoderHead(weights), wanted, logits);
    DrawBuffers drawing = take_draw_buffers(arena_, most_draws(limits, config.vocab), config.vocab);
    sample_rows(*stream_, logits, drawing.input.draws, drawing.output.tokens);
  }

  void vision(const ModelSpec& model, Precision precision) {
    VisionBuffers buffers = take_vision_buffers(arena_, model);
    const UnitWeights unit(*model.vision, precision, *device_, nullptr);
    const VisionWeights vision(unit, *model.config.vision, *model.config.projector);
    vision_tower(*stream_, arena_, *model.config.vision, vision, buffers.pixels, buffers.features);
    project(*stream_, arena_, *model.config.projector, vision, buffers.features, buffers.rows);
  }

 private:
  const std::unique_ptr<Device> device_;
  const std::unique_ptr<Stream> stream_;
  Arena arena_;
};

constexpr PipelineLimits kOneToken = {.rows = 1,
                                      .sequences = 1,
                                      .wanted = 1,
                                      .max_blocks = 1,
                                      .kv_blocks = 1,
                                      .slots = 1,
                                      .wide = Precision::kBF16,
                                      .kv = KvFormat::kBF16};

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
  slots.reserve(static_cast<size_t>(limits.slots));
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
  DryRun run;
  run.layer(model, limits, take_stage_buffers(run.arena(), model, limits));
  if (with_head) run.head(model, limits);
  return run.arena().peak_bytes();
}

uint64_t embedding_arena_bytes(const ModelSpec& model, const PipelineLimits& limits) {
  DryRun run;
  take_embedding_slots(run.arena(), model, limits);
  return run.arena().peak_bytes();
}

uint64_t vision_arena_bytes(const ModelSpec& model, Precision precision) {
  DryRun run;
  run.vision(model, precision);
  return run.arena().peak_bytes();
}

int64_t layer_ops(const ModelSpec& model) {
  DryRun run;
  run.layer(model, kOneToken, take_stage_buffers(run.arena(), model, kOneToken));
  return run.ops();
}

int64_t head_ops(const ModelSpec& model) {
  DryRun run;
  run.head(model, kOneToken);
  return run.ops();
}

int64_t vision_ops(const ModelSpec& model) {
  DryRun run;
  run.vision(model, Precision::kBF16);
  return run.ops();
}

}  // namespace tessera
