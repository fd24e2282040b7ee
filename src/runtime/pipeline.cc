#include "runtime/pipeline.h"

#include <algorithm>
#include <cassert>
#include <iterator>

#include "runtime/draw_memory.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Each once.
std::vector<Device*> devices_of(const Placement& placement) {
  std::vector<Device*> all = {placement.embedding};
  if (placement.vision != nullptr) all.push_back(placement.vision);
  for (const StagePlacement& stage : placement.stages) all.push_back(stage.device);
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

// Whose host memory all of a pipeline's devices copy from without a detour: a CUDA device's, where
// there is one.
Device& pinning_device(const Placement& placement) {
  std::vector<Device*> all = {placement.embedding, placement.vision};
  for (const StagePlacement& stage : placement.stages) all.push_back(stage.device);
  const auto cuda = std::ranges::find_if(all, [](const Device* device) {
    return device != nullptr && device->info().kind == DeviceKind::kCuda;
  });
  return cuda == all.end() ? *all.back() : **cuda;
}

}  // namespace

Pipeline::Pipeline(const ModelSpec& model, const Placement& placement, const PipelineLimits& limits,
                   const PackedModel* packed)
    : model_(model), limits_(limits), times_(placement.stages.size()) {
  for (size_t i = 0; i < placement.stages.size(); ++i) {
    const bool last = i + 1 == placement.stages.size();
    stages_.push_back(std::make_unique<Stage>(model, placement.stages[i],
                                              last ? std::optional(placement.head) : std::nullopt,
                                              limits, packed));
  }
  input_ = std::make_unique<TokenInput>(model, *placement.embedding, limits, packed);
  if (placement.vision != nullptr)
    vision_ = std::make_unique<VisionRunner>(model, *placement.vision, limits.wide, packed);

  input_->open_link(*stages_.front());
  for (size_t i = 0; i + 1 < stages_.size(); ++i) stages_[i]->open_link(*stages_[i + 1]);

  std::ranges::copy_if(devices_of(placement), std::back_inserter(gpus_), [](const Device* device) {
    return device->info().kind == DeviceKind::kCuda;
  });

  const int64_t vocab = model.config.decoder.vocab;
  const DrawCounts most = most_draws(limits, vocab);
  Device& host = pinning_device(placement);
  const auto allocate = [&](int64_t count, size_t each) {
    return host.allocate_host(static_cast<uint64_t>(count) * each);
  };
  for (int slot = 0; slot < limits.slots; ++slot) {
    MicroBatch& batch = *batches_.emplace_back(std::make_unique<MicroBatch>());
    batch.slot = slot;
    batch.input = allocate(3 * limits.rows + limits.sequences * limits.max_blocks, sizeof(int32_t));
    batch.draws = host.allocate_host(draw_input_bytes(most, vocab));
    batch.drawn = host.allocate_host(draw_output_bytes(most));
    batch.output = allocate(limits.logit_rows * vocab, sizeof(float));
    free_.push_back(&batch);
  }
  if (placement.embedding->info().kind == DeviceKind::kSimulated) {
    host_clock_ = placement.embedding->open_stream("host");
    for (int slot = 0; slot < limits.slots; ++slot)
      begun_.push_back(placement.embedding->make_event());
  }
  for (size_t i = 0; i < stages_.size(); ++i)
    queues_.push_back(
        std::make_unique<BoundedQueue<MicroBatch*>>(static_cast<size_t>(limits.slots)));
  for (size_t i = 0; i < stages_.size(); ++i) threads_.emplace_back([this, i] { run_stage(i); });
}

Pipeline::~Pipeline() {
  for (const auto& queue : queues_) queue->close();
  for (std::thread& thread : threads_) thread.join();
  // Stages write into each other's slots and wait for each other's events: all of it ends before
  // any of it is freed.
  for (const auto& stage : stages_) stage->drain();
}

std::vector<LoadTarget> Pipeline::load_targets() const {
  std::vector<LoadTarget> targets;
  if (vision_)
    targets.push_back({.unit = &*model_.vision,
                       .precision = limits_.wide,
                       .device = &vision_->device(),
                       .data = vision_->unit_base()});
  targets.push_back({.unit = &model_.embedding,
                     .precision = limits_.wide,
                     .device = &input_->device(),
                     .data = input_->unit_base()});
  for (const auto& stage : stages_)
    std::ranges::copy(stage->load_targets(), std::back_inserter(targets));
  return targets;
}

void Pipeline::begin_epoch() {
  const int64_t next = epoch() + 1;
  for (const auto& stage : stages_) stage->begin_epoch(next);
  epoch_.store(next, std::memory_order_relaxed);
}

LoadTarget Pipeline::change_precision(const UnitSpec& unit, Precision precision) {
  const auto holds = [&](const std::unique_ptr<Stage>& stage) {
    const StagePlacement& at = stage->placement();
    return unit.kind == UnitKind::kHead
               ? stage->with_head()
               : unit.layer >= at.first_layer && unit.layer <= at.last_layer;
  };
  const LoadTarget target =
      (*std::ranges::find_if(stages_, holds))->change_precision(unit, precision);
  begin_epoch();
  return target;
}

MicroBatch& Pipeline::acquire() {
  {
    const std::lock_guard lock(mutex_);
    if (broken_) std::rethrow_exception(broken_);
  }
  assert(free_slots() > 0);
  MicroBatch& batch = *free_.back();
  free_.pop_back();
  batch.clear();
  batch.epoch = epoch();
  if (host_clock_) {
    batch.begun = begun_[static_cast<size_t>(batch.slot)].get();
    host_clock_->record(*batch.begun);
  }
  return batch;
}

void Pipeline::submit(MicroBatch& batch) {
  assert(batch.rows() > 0 && batch.rows() <= limits_.rows);
  assert(!batch.want_logits || std::ssize(batch.wanted) <= limits_.logit_rows);
  const int64_t vocab = model_.config.decoder.vocab;
  assert(count_draws(batch.wanted).within(most_draws(limits_, vocab)));
  batch.pack_input(vocab);
  queues_.front()->push(&batch);
}

void Pipeline::run_stage(size_t index) {
  Stage* next = index + 1 < stages_.size() ? stages_[index + 1].get() : nullptr;
  while (const std::optional<MicroBatch*> item = queues_[index]->pop()) {
    MicroBatch& batch = **item;
    try {
      if (!batch.stopped()) {
        if (index == 0) input_->submit(batch, *stages_.front());
        stages_[index]->submit(batch, next);
      }
    } catch (...) {
      batch.error = std::current_exception();
      stages_[index]->abandon(batch);
    }
    batch.stages_queued.store(static_cast<int>(index) + 1, std::memory_order_release);
    if (next != nullptr) {
      queues_[index + 1]->push(&batch);
    } else {
      batch.finished.store(true, std::memory_order_release);
      batch.finished.notify_one();
    }
  }
}

void Pipeline::check_streams() const {
  input_->check();
  if (vision_) vision_->check();
  for (const auto& stage : stages_) stage->check();
}

void Pipeline::wait(MicroBatch& batch) {
  batch.finished.wait(false, std::memory_order_acquire);
  // Every stage, not only the last: a batch stopped halfway never reached the later ones, and of a
  // lost device nothing comes.
  for (const auto& stage : stages_) {
    try {
      stage->wait_done(batch);
    } catch (...) {
      if (!batch.error) batch.error = std::current_exception();
    }
  }
  try {
    if (batch.error) std::rethrow_exception(batch.error);
    check_streams();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    broken_ = std::current_exception();
    throw;
  }
  if (host_clock_) stages_.back()->wait_done(batch, *host_clock_);
  if (batch.stopped()) return;
  batch.unpack_output(model_.config.decoder.vocab);
  const bool decode = batch.rows() == batch.sequences;
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < stages_.size(); ++i) {
    StageTimes& times = times_[i];
    const double busy_s = stages_[i]->busy_s(batch);
    batch.busiest_s = std::max(batch.busiest_s, busy_s);
    if (times.prefill_steps + times.decode_steps == 0) times.begun_s = stages_[i]->begin_s(batch);
    times.ended_s = stages_[i]->end_s(batch);
    (decode ? times.decode_s : times.prefill_s) += busy_s;
    (decode ? times.decode_rows : times.prefill_rows) += batch.rows();
    ++(decode ? times.decode_steps : times.prefill_steps);
  }
}

StageTimes Pipeline::times(int stage) const {
  const std::lock_guard lock(mutex_);
  return times_[static_cast<size_t>(stage)];
}

int Pipeline::stage_of(const MicroBatch& batch) const {
  const int queued = batch.stages_queued.load(std::memory_order_acquire);
  for (int i = 0; i < queued; ++i)
    if (!stage(i).done(batch)) return i;
  return std::min(queued, stage_count() - 1);
}

void Pipeline::check_gpus() const {
  for (Device* gpu : gpus_) gpu->check_alive();
}

void Pipeline::recover() {
  assert(free_.size() == batches_.size());
  input_->open_streams();
  if (vision_) vision_->open_streams();
  for (const auto& stage : stages_) stage->open_streams();
  check_streams();
  const std::lock_guard lock(mutex_);
  broken_ = nullptr;
}

void Pipeline::release(MicroBatch& batch) {
  free_.push_back(&batch);
}

}  // namespace tessera
