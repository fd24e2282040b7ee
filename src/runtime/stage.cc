#include "runtime/stage.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "runtime/token_drawing.h"
#include "tessera/error.h"

namespace tessera {

Stage::Stage(const ModelSpec& model, const StagePlacement& placement, std::optional<Precision> head,
             const PipelineLimits& limits, const PackedModel* packed)
    : model_(model), placement_(placement), head_precision_(head) {
  const DecoderConfig& config = model.config.decoder;
  Device& device = *placement.device;

  const auto hold = [&](const UnitSpec& unit, Precision precision) {
    weights_.push_back(weights_memory(unit, precision, device, packed));
    return UnitWeights(unit, precision, device, weights_.back().data());
  };
  for (size_t i = 0; i < placement.precisions.size(); ++i)
    layers_.emplace_back(hold(model.layers[static_cast<size_t>(placement.first_layer) + i],
                              placement.precisions[i]));
  if (head) head_.emplace(hold(model.head, *head));

  for (int64_t layer = placement.first_layer; layer <= placement.last_layer; ++layer) {
    KvPages& pages = pages_.emplace_back(KvPages{.data = nullptr,
                                                 .device = &device,
                                                 .format = limits.kv,
                                                 .blocks = limits.kv_blocks,
                                                 .kv_heads = config.kv_heads,
                                                 .head_dim = config.head_dim});
    kv_.push_back(
        device.allocate(KvPages::bytes(pages.format, pages.blocks, pages.kv_heads, pages.head_dim),
                        MemoryKind::kKv, fmt::format("KV of layer {}", layer)));
    pages.data = kv_.back().data();
  }

  arena_buffer_ = device.allocate(stage_arena_bytes(model, limits, head.has_value()),
                                  MemoryKind::kArena, "stage");
  arena_.emplace(arena_buffer_);
  buffers_ = take_stage_buffers(*arena_, model, limits);

  for (int slot = 0; slot < limits.slots; ++slot)
    marks_.push_back(
        {.begin = device.make_event(), .end = device.make_event(), .sent = device.make_event()});
  open_streams();
  rope_host_ = rope_inverse_frequencies(config);
  compute_->copy(buffers_.rope.data, &device, rope_host_.data(), nullptr, buffers_.rope.bytes());
}

Stage::~Stage() = default;

std::vector<LoadTarget> Stage::load_targets() const {
  std::vector<LoadTarget> targets;
  for (size_t i = 0; i < layers_.size(); ++i)
    targets.push_back({.unit = &model_.layers[static_cast<size_t>(placement_.first_layer) + i],
                       .precision = placement_.precisions[i],
                       .device = &device(),
                       .data = weights_[i].data()});
  if (head_)
    targets.push_back({.unit = &model_.head,
                       .precision = *head_precision_,
                       .device = &device(),
                       .data = weights_.back().data()});
  return targets;
}

LoadTarget Stage::change_precision(const UnitSpec& unit, Precision precision) {
  const bool is_head = unit.kind == UnitKind::kHead;
  const auto layer = static_cast<size_t>(is_head ? 0 : unit.layer - placement_.first_layer);
  const DeviceBuffer& buffer = is_head ? weights_.back() : weights_[layer];
  const uint64_t needed = layout_of(unit, precision).bytes;
  if (needed > buffer.bytes())
    throw Error(
        {.where = fmt::format("{} as {}", unit.name, precision_name(precision)),
         .expected = fmt::format("at most the {} it was loaded into", format_bytes(buffer.bytes())),
         .found = format_bytes(needed)});
  const UnitWeights weights(unit, precision, device(), buffer.data());
  ++weights_changed_;
  if (is_head) {
    head_.emplace(weights);
    head_precision_ = precision;
  } else {
    layers_[layer] = DecoderLayer(weights);
    placement_.precisions[layer] = precision;
  }
  return {.unit = &unit, .precision = precision, .device = &device(), .data = buffer.data()};
}

void Stage::open_link(Stage& next) {
  if (device().info().kind == DeviceKind::kSimulated) return;  // links there are but numbers
  const Tensor row = slot(0).hidden.slice_rows(0, 1);
  send_->copy(next.slot(0).hidden.data, &next.device(), row.data, &device(), row.bytes());
  send_->synchronize();
}

// The host's copy stays in the micro-batch until that has finished.
void Stage::upload_rows(const MicroBatch& batch, const StageSlot& slot) {
  const std::span<const int32_t> indices = batch.packed_indices();
  compute_->copy(slot.indices.data, &device(), indices.data(), nullptr, indices.size_bytes());
}

BatchRows Stage::rows_of(const MicroBatch& batch, const StageSlot& slot) const {
  BatchRows rows = index_views(slot.indices, batch.rows(), batch.sequences, batch.max_blocks);
  for (const int32_t position : batch.positions) {
    rows.max_context = std::max<int64_t>(rows.max_context, position + 1);
    rows.context_tokens += position + 1;
  }
  return rows;
}

void Stage::copy_blocks(const MicroBatch& batch) {
  for (const BlockCopy& copy : batch.copies) {
    for (const KvPages& pages : pages_) {
      const uint64_t bytes = KvPages::bytes(pages.format, 1, pages.kv_heads, pages.head_dim);
      auto* base = static_cast<std::byte*>(pages.data);
      if (base == nullptr) {
        compute_->copy(nullptr, &device(), nullptr, &device(), bytes);
      } else {
        compute_->copy(base + static_cast<uint64_t>(copy.to) * bytes, &device(),
                       base + static_cast<uint64_t>(copy.from) * bytes, &device(), bytes);
      }
    }
  }
}

void Stage::check_epoch(const MicroBatch& batch) const {
  if (batch.epoch == epoch_) return;
  throw Error(
      {.where = device().info().name,
       .what = fmt::format("layers {} to {}", placement_.first_layer, placement_.last_layer),
       .expected = fmt::format("a micro-batch of the plan's epoch {}", epoch_),
       .found = fmt::format("one of epoch {}", batch.epoch)});
}

void Stage::submit(MicroBatch& batch, Stage* next) {
  check_epoch(batch);
  StageSlot& slot = this->slot(batch.slot);
  SlotMarks& marks = marks_[static_cast<size_t>(batch.slot)];
  if (batch.input_ready != nullptr) compute_->wait(*batch.input_ready);
  compute_->record(*marks.begin);
  run_layers(batch, slot);
  compute_->record(*marks.end);
  if (next == nullptr) return;

  const Tensor hidden = slot.hidden.slice_rows(0, batch.rows());
  StageSlot& to = next->slot(batch.slot);
  send_->wait(*marks.end);
  send_->copy(to.hidden.data, &next->device(), hidden.data, &device(), hidden.bytes());
  send_->record(*marks.sent);
  batch.input_ready = marks.sent.get();
}

void Stage::run_layers(MicroBatch& batch, StageSlot& slot) {
  const SkipScope skip(*compute_, batch.cancel);
  if (is_plain_decode(batch)) {
    run_decode(batch, slot);
    return;
  }
  upload_rows(batch, slot);
  copy_blocks(batch);
  run_rows(batch, slot, rows_of(batch, slot));
}

// A step like the one before, but for the numbers in the memory that it reads.
bool Stage::is_plain_decode(const MicroBatch& batch) const {
  if (!device().info().graphs || batch.rows() != batch.sequences || batch.want_logits ||
      !batch.copies.empty())
    return false;
  if (!head_) return true;
  if (std::ssize(batch.wanted) != batch.rows()) return false;
  for (int64_t row = 0; row < batch.rows(); ++row) {
    const WantedRow& wanted = batch.wanted[static_cast<size_t>(row)];
    if (wanted.row != row || !wanted.draw || wanted.edited() || wanted.wants_logprobs())
      return false;
  }
  return true;
}

void Stage::run_decode(MicroBatch& batch, StageSlot& slot) {
  // What attention launches depends on the longest context, by splits of 256 tokens; a context
  // rounded up to whole ones launches the same, and a key then lives for 256 steps.
  constexpr int64_t kSplit = 256;
  BatchRows rows = rows_of(batch, slot);
  const int64_t splits = divide_up(rows.max_context, kSplit);
  rows.max_context = std::min(splits * kSplit, batch.max_blocks * kBlockTokens);
  compute_->replay({batch.slot, batch.rows(), splits, weights_changed_}, [&] {
    upload_rows(batch, slot);
    run_rows(batch, slot, rows);
  });
}

void Stage::run_rows(MicroBatch& batch, StageSlot& slot, const BatchRows& rows) {
  Tensor hidden = slot.hidden.slice_rows(0, batch.rows());
  for (size_t i = 0; i < layers_.size() && !batch.stopped(); ++i)
    decoder_layer(*compute_, *arena_, model_.config.decoder, layers_[i], buffers_.rope, rows,
                  pages_[i], hidden);
  if (head_ && !batch.wanted.empty() && !batch.stopped()) run_head(batch, hidden);
}

void Stage::run_head(MicroBatch& batch, const Tensor& hidden) {
  const DecoderConfig& config = model_.config.decoder;
  const auto wanted = static_cast<int64_t>(batch.wanted.size());
  const Arena::Scope scope(*arena_);
  Tensor picked = arena_->take(DType::kF32, {wanted, config.hidden});
  Tensor logits = arena_->take(DType::kF32, {wanted, config.vocab});
  std::vector<int64_t> rows;
  for (const WantedRow& row : batch.wanted) rows.push_back(row.row);
  copy_picked_rows(*compute_, hidden, rows, picked);
  decoder_head(*compute_, *arena_, config, *head_, picked, logits);

  if (batch.want_logits)
    compute_->copy(batch.output.data(), nullptr, logits.data, &device(), logits.bytes());
  if (batch.draws_tokens())
    draw_tokens(*compute_, *arena_, batch.wanted, batch.draws.data(), batch.drawn.data(), logits);
}

void Stage::abandon(const MicroBatch& batch) {
  compute_->record(*marks_[static_cast<size_t>(batch.slot)].end);
}

void Stage::drain() noexcept {
  for (Stream* stream : {compute_.get(), send_.get()}) {
    try {
      stream->synchronize();
    } catch (const Error&) {  // it broke: whoever waited for a batch was told
    }
  }
}

void Stage::wait_done(const MicroBatch& batch) {
  marks_[static_cast<size_t>(batch.slot)].end->synchronize();
}

void Stage::wait_done(const MicroBatch& batch, Stream& waiting) {
  waiting.wait(*marks_[static_cast<size_t>(batch.slot)].end);
}

double Stage::begin_s(const MicroBatch& batch) const {
  return marks_[static_cast<size_t>(batch.slot)].begin->time_s();
}

double Stage::end_s(const MicroBatch& batch) const {
  return marks_[static_cast<size_t>(batch.slot)].end->time_s();
}

bool Stage::done(const MicroBatch& batch) const {
  return marks_[static_cast<size_t>(batch.slot)].end->passed();
}

void Stage::open_streams() {
  compute_ = device().open_stream("compute");
  send_ = device().open_stream("send");
}

void Stage::check() const {
  compute_->check();
  send_->check();
}

}  // namespace tessera
