#include "runtime/local_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <iterator>

#include "base/clock.h"
#include "base/out_of_memory.h"
#include "base/units.h"
#include "device/host.h"
#include "plan/cost_model.h"
#include "plan/plan_file.h"
#include "plan/planner.h"
#include "runtime/check_request.h"
#include "runtime/check_tokenizer.h"
#include "runtime/generation.h"
#include "runtime/plan_problem.h"
#include "runtime/planning.h"
#include "runtime/stage_memory.h"

namespace tessera {
namespace {

// In the order of MemoryKind.
BytesByKind by_kind(const StageBytes& bytes) {
  return {bytes.weights + bytes.vision + bytes.embedding + bytes.head, bytes.kv, bytes.arena,
          bytes.fixed};
}

}  // namespace

LocalEngine::LocalEngine(const EngineOptions& options, const CancelFlag* cancel)
    : model_(read_model(options.model_path)),
      tokenizer_(Tokenizer::open(options.model_path)),
      forms_(model_, *tokenizer_),
      weights_(ModelWeights::open(model_)),
      serving_options_{.waiting = options.waiting,
                       .picture_cache_bytes = options.picture_cache_bytes,
                       .prefix_cache = options.prefix_cache} {
  check_tokenizer(*tokenizer_, model_.config);
  make_plan_and_pipeline(with_plans_choices(with_stored_precision(options, model_.config.dir)));
  load(options, cancel);
}

LocalEngine::~LocalEngine() = default;

void LocalEngine::make_plan_and_pipeline(const EngineOptions& options) {
  devices_ = open_devices(parse_devices(options.devices), options.log);
  PlanProblem problem = planning_problem(model_, options, devices_);
  if (options.plan_file.empty()) {
    plan_ = options.sequences == 0 ? make_roomy_plan(problem, options.objective)
                                   : make_plan(problem, options.objective);
  } else {
    plan_ = read_plan_file(options.plan_file);
    require_usable(plan_, problem, options.plan_file);
  }
  planned_chunk_tokens_ = prefill_pass(problem.workload).new_tokens;
  planned_prompt_tokens_ =
      planned_chunk_tokens_ * static_cast<double>(chunk_count(problem.workload));
  if (!plan_.fits)
    throw Error({.where = options.model_path,
                 .what = plan_.why_not ? plan_.why_not->text : "does not fit"});
  if (options.on_plan) options.on_plan(plan_);
  planned_head_s_ =
      seconds_of(unit_ns(problem.head, plan_.head_precision,
                         problem.devices[static_cast<size_t>(plan_.stages.back().device)],
                         decode_pass(problem.workload, 1)));

  const Placement placement = place(plan_, devices_);
  for (const auto* stages : {&plan_.stages, &plan_.side_devices})
    for (const PlanStage& stage : *stages)
      devices_.devices[static_cast<size_t>(stage.device)]->ledger().set_planned(
          by_kind(stage.bytes));
  uint64_t host_bytes = weights_.packed() == nullptr ? options.host_memory_bytes : 0;
  for (const auto* stages : {&plan_.stages, &plan_.side_devices})
    for (const PlanStage& stage : *stages)
      if (devices_.devices[static_cast<size_t>(stage.device)]->info().kind == DeviceKind::kVirtual)
        host_bytes += stage.bytes.total();
  const PipelineLimits limits = make_limits(
      problem.workload, static_cast<int>(devices_.devices.size()), problem.own, problem.kv);
  if (placement.embedding == devices_.host.get())
    host_bytes +=
        layout_of(model_.embedding, limits.wide).bytes + embedding_arena_bytes(model_, limits);
  require_host_memory(host_bytes);

  pipeline_ = std::make_unique<Pipeline>(model_, placement, limits, weights_.packed());
  blocks_ = std::make_unique<BlockPool>(limits.kv_blocks);
  runner_ = std::make_unique<SequenceRunner>(*pipeline_,
                                             std::min(problem.workload.chunk_tokens, limits.rows));
}

void LocalEngine::load(const EngineOptions& options, const CancelFlag* cancel) {
  PeakMemory peak;  // of loading alone: measuring devices took more, perhaps
  const auto progress = [&](const LoadProgress& at) {
    peak.sample();
    if (options.on_load) options.on_load(at.done_bytes, at.total_bytes, at.elapsed_s);
  };
  host_cap_bytes_ = options.host_memory_bytes;
  load_ = load_units(pipeline_->load_targets(), progress, cancel);
  for (const PlanStage& stage : plan_.stages)
    std::ranges::copy(stage.precisions, std::back_inserter(layer_precisions_));
  head_precision_ = plan_.head_precision;
  // Weights are all of a virtual device's memory that has been touched by now; the token
  // embedding's host copy counts as the host's.
  uint64_t on_devices = 0;
  for (const auto& device : devices_.devices)
    if (device->info().kind == DeviceKind::kVirtual)
      on_devices += device->ledger().used_bytes(MemoryKind::kWeights);
  const uint64_t peak_bytes = peak.bytes();
  host_peak_bytes_ = peak_bytes > on_devices ? peak_bytes - on_devices : 0;
}

LoadResult LocalEngine::load_units(const std::vector<LoadTarget>& targets,
                                   const std::function<void(const LoadProgress&)>& progress,
                                   const CancelFlag* cancel) const {
  // One reader keeps up with no disk and with no GPU's link; beyond some they only share both.
  const int readers = std::clamp(read_host_info().usable_cores(), 2, 8);
  return weights_.load(targets, {.host_cap_bytes = host_cap_bytes_, .readers = readers}, progress,
                       cancel);
}

void LocalEngine::change_precisions(std::span<const Precision> layers, Precision head,
                                    const CancelFlag* cancel) {
  assert(weights_.packed() == nullptr && layers.size() == layer_precisions_.size());
  std::vector<LoadTarget> targets;
  const auto change = [&](const UnitSpec& unit, Precision& from, Precision to) {
    if (from == to) return;
    targets.push_back(pipeline_->change_precision(unit, to));
    from = to;
  };
  for (size_t i = 0; i < layers.size(); ++i)
    change(model_.layers[i], layer_precisions_[i], layers[i]);
  change(model_.head, head_precision_, head);
  (void)load_units(targets, {}, cancel);
}

Answer LocalEngine::generate(const Request& request, const OnText& on_text,
                             const CancelFlag* cancel) {
  return with_out_of_memory_as_error("request", [&] {
    const std::lock_guard lock(serving_mutex_);
    if (!serving_) return answer_to(request, on_text, cancel);
    Answer answer;
    serving_->alone([&] { answer = answer_to(request, on_text, cancel); });
    return answer;
  });
}

Answer LocalEngine::answer_to(const Request& request, const OnText& on_text,
                              const CancelFlag* cancel) {
  check_request(request, {.vocab = model_.config.decoder.vocab,
                          .sequences = pipeline_->limits().sequences,
                          .submitted = false});
  const double start = now_s();
  const PreparedRequest prepared =
      prepare_request(model_, *tokenizer_, context(), request, Tokenizer::Specials::kParse);
  const PromptTokens& prompt = prepared.prompt;

  Answer answer;
  answer.prompt_tokens = static_cast<int64_t>(prompt.ids.size());
  answer.prompt_ids = prompt.prompt_ids;
  answer.timings.load_s = load_.seconds;

  std::vector<std::unique_ptr<ImageRows>> pictures;
  if (model_.vision)
    for (const std::vector<float>& pixels :
         read_pictures(request.messages, *model_.config.preprocess))
      pictures.push_back(pipeline_->vision().encode(pixels, cancel));

  const double prepared_s = now_s() - start;
  Generation generation(*runner_, *blocks_, *tokenizer_, prepared.ends, prepared.stops, request,
                        on_text, cancel);
  generation.run(prompt, pictures, prepared.max_new_tokens, answer);

  AnswerTimings& timings = answer.timings;
  timings.prefill_s += prepared_s;
  for (const auto& picture : pictures) timings.vision_s += picture->encode_s();
  const auto decoded = static_cast<double>(answer.token_ids.size()) - 1;
  if (timings.prefill_s > 0)
    timings.prefill_tokens_per_s = static_cast<double>(answer.prompt_tokens) / timings.prefill_s;
  if (decoded > 0 && timings.decode_s > 0) timings.decode_tokens_per_s = decoded / timings.decode_s;
  return answer;
}

std::vector<DeviceReport> LocalEngine::devices() const {
  std::vector<DeviceReport> reports;
  const auto report = [&](const PlanStage& stage) -> DeviceReport& {
    Device& device = *devices_.devices[static_cast<size_t>(stage.device)];
    return reports.emplace_back(DeviceReport{.name = device.info().name,
                                             .first_layer = stage.first_layer,
                                             .last_layer = stage.last_layer,
                                             .vision = stage.vision,
                                             .embedding = stage.embedding,
                                             .head = stage.head,
                                             .budget_bytes = device.info().budget_bytes,
                                             .planned_bytes = stage.bytes.total(),
                                             .measured_peak_bytes = device.ledger().peak_bytes()});
  };
  for (size_t i = 0; i < plan_.stages.size(); ++i) {
    const PlanStage& stage = plan_.stages[i];
    const StageTimes& times = pipeline_->times(static_cast<int>(i));
    DeviceReport& out = report(stage);
    out.planned_decode_s = stage.decode_s;
    if (times.decode_steps > 0)
      out.measured_decode_s = times.decode_s / static_cast<double>(times.decode_steps);
    if (times.prefill_rows > 0)
      out.measured_prefill_s = 1000 * times.prefill_s / static_cast<double>(times.prefill_rows);
    const double head_s = stage.head ? planned_head_s_ : 0;
    out.planned_prefill_s =
        1000 * (stage.prefill_chunk_s / planned_chunk_tokens_ + head_s / planned_prompt_tokens_);
  }
  for (const PlanStage& stage : plan_.side_devices) report(stage);
  return reports;
}

}  // namespace tessera
