#include "runtime/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/units.h"
#include "plan/certificate_checker.h"
#include "plan/hardware_catalogue.h"
#include "plan/memory_model.h"
#include "plan/plan_file.h"
#include "plan/planner.h"
#include "plan/sensitivities.h"
#include "runtime/packed_model.h"
#include "runtime/plan_problem.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int64_t kTypicalQuestion = 128;  // tokens of text beside a picture
constexpr int64_t kTypicalAnswer = 128;
constexpr int64_t kMostRunning = 64;  // where as many as fit are asked for

// Formats that the kernels of this build can multiply with.
bool runnable(Precision precision) {
  return precision != Precision::kFp8;
}

Precision named_precision(const std::string& name) {
  const std::optional<Precision> precision = parse_precision(name);
  if (precision) return *precision;
  std::string names = "auto";
  for (const Precision known : kPrecisions) names += fmt::format(", {}", precision_name(known));
  throw UsageError({.where = "--precision", .expected = names, .found = '"' + name + '"'});
}

Workload workload_of(const ModelSpec& model, const EngineOptions& options) {
  const int64_t longest = model.config.decoder.max_positions;
  if (options.context < 0 || options.context > longest)
    throw UsageError(
        {.where = "--context",
         .expected = fmt::format("1 to {} tokens, what the model was made for", longest),
         .found = fmt::format("{}", options.context)});
  if (options.sequences < 0)
    throw UsageError({.where = "--sequences",
                      .expected = "1 or more",
                      .found = fmt::format("{}", options.sequences)});
  if (options.question_tokens < 0)
    throw UsageError({.where = "question_tokens",
                      .expected = "1 or more, or 0 for what is typical",
                      .found = fmt::format("{}", options.question_tokens)});
  const int64_t context = options.context > 0 ? options.context : longest;
  const int64_t rows = model.vision ? model.config.vision->rows_out() : 0;
  const int64_t question =
      options.question_tokens > 0 ? std::min(options.question_tokens, context) : kTypicalQuestion;
  const int64_t prompt = std::clamp<int64_t>(rows + question, 1, std::max<int64_t>(context - 1, 1));
  // What serves draws for all that run; generate() answers one at a time, texts are only scored.
  const int64_t running =
      options.sequences == 0 && options.running == 0 ? kMostRunning : options.running;
  return {.context = context,
          .sequences = std::max<int64_t>(options.sequences, 1),
          .prompt_tokens = prompt,
          .chunk_tokens = std::min(options.chunk_tokens, context),
          .images = model.vision ? 1 : 0,
          .image_tokens = rows,
          .answer_tokens = std::clamp<int64_t>(context - prompt, 1, kTypicalAnswer),
          .running = running,
          .scored_rows = options.scored_rows,
          .edited_rows = options.scored_rows > 0 ? 0 : std::max<int64_t>(running, 1),
          .masked_rows = running,
          .logprob_rows = running};
}

// What may be used, the wanted one first.
std::vector<Precision> allowed_precisions(const ModelSpec& model, const std::string& wanted,
                                          bool to_run) {
  const Precision own = own_precision(model);
  if (wanted != "auto") {
    const Precision forced = named_precision(wanted);
    if (to_run && !runnable(forced))
      throw Error({.where = "--precision",
                   .expected =
                       "auto, f32, bf16, int8, int6, int5 or int4: neither CPUs nor GPUs have "
                       "kernels for fp8 yet",
                   .found = wanted,
                   .hint = "int8 takes as many bytes; tessera plan counts with fp8, too"});
    return {forced};
  }
  std::vector<Precision> allowed = {own};
  for (const Precision lower :
       {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
    if (lower > own) allowed.push_back(lower);
  return allowed;
}

// What stays at 16 bits or more follows a precision that was asked for.
Precision wide_of(Precision precision) {
  return stored_precision(UnitKind::kEmbedding, precision);
}

PlanProblem problem_for(const ModelSpec& model, const EngineOptions& options,
                        std::vector<PlanDevice> devices, PlanLinks links, bool to_run) {
  const Workload workload = workload_of(model, options);
  std::vector<Precision> precisions = allowed_precisions(model, options.precision, to_run);
  std::vector<Precision> formats;
  std::ranges::copy_if(kPrecisions, std::back_inserter(formats),
                       [&](Precision format) { return !to_run || runnable(format); });
  const PipelineLimits limits =
      make_limits(workload, static_cast<int>(devices.size()), wide_of(precisions.front()),
                  wanted_kv_format(model, options));
  PlanProblem problem =
      make_problem(model, limits, formats, std::move(devices), std::move(links), workload);
  problem.precisions = std::move(precisions);
  problem.own = wide_of(problem.precisions.front());
  if (!options.sensitivities_file.empty())
    use_sensitivities(problem, read_sensitivities(options.sensitivities_file),
                      options.sensitivities_file);
  return problem;
}

// On devices of this machine.
PlanProblem problem_here(const ModelSpec& model, const EngineOptions& options, const DeviceSet& set,
                         bool to_run) {
  DescribedDevices described = describe_devices(set, wanted_kv_format(model, options));
  PlanProblem problem =
      problem_for(model, options, std::move(described.devices), std::move(described.links), to_run);
  // Virtual devices share the host's memory: what they hold stays inside their budgets.
  problem.embedding_on_host_allowed = set.all_cuda();
  return problem;
}

// The plan in options.plan_file, once all that it says of itself holds.
Plan checked_plan(const PlanProblem& problem, const EngineOptions& options) {
  Plan plan = read_plan_file(options.plan_file);
  std::vector<std::string> violations = check_plan(problem, plan);
  // With many devices the checker says that it leaves the proof out: to be told, not a fault.
  std::erase_if(violations, [&](const std::string& line) {
    const bool left_out = line.find("not replayed") != line.npos;
    if (left_out && options.log) options.log(LogLevel::kWarning, line);
    return left_out;
  });
  if (!violations.empty())
    throw Error(
        {.where = options.plan_file,
         .what = "the plan is not what it says",
         .found = violations.front(),
         .hint = violations.size() == 1 ? "" : fmt::format("and {} more", violations.size() - 1)});
  return plan;
}

Plan plan_for_this_machine(const ModelSpec& model, const EngineOptions& options,
                           const std::vector<DeviceSpec>& specs) {
  const DeviceSet set = open_devices(specs, options.log);
  const PlanProblem problem = problem_here(model, options, set, false);
  if (options.plan_file.empty()) return make_plan(problem, options.objective);

  Plan plan = read_plan_file(options.plan_file);
  require_usable(plan, problem, options.plan_file);
  if (options.log)
    options.log(LogLevel::kWarning,
                "times and optimality not replayed: the rates of these devices are measured anew");
  return plan;
}

}  // namespace

Precision wanted_precision(const ModelSpec& model, const std::string& name) {
  return allowed_precisions(model, name, true).front();
}

EngineOptions with_plans_choices(EngineOptions options) {
  if (options.plan_file.empty()) return options;
  const Plan plan = read_plan_file(options.plan_file);
  if (options.kv == "auto") options.kv = kv_format_name(plan.kv);
  if (options.sequences == 0) options.sequences = plan.sequences;
  return options;
}

KvFormat wanted_kv_format(const ModelSpec& model, const EngineOptions& options) {
  if (options.kv == "auto")
    return kv_format_beside(wide_of(allowed_precisions(model, options.precision, false).front()));
  if (const std::optional<KvFormat> format = parse_kv_format(options.kv)) return *format;
  throw UsageError(
      {.where = "--kv", .expected = "auto, f32, bf16 or int8", .found = '"' + options.kv + '"'});
}

PlanProblem planning_problem(const ModelSpec& model, const EngineOptions& options,
                             const DeviceSet& devices) {
  return problem_here(model, options, devices, true);
}

Plan make_roomy_plan(PlanProblem& problem, Objective objective) {
  Plan plan = make_plan(problem, objective);
  const int64_t blocks = divide_up(problem.workload.context, kKvBlockTokens);
  int64_t sequences =
      std::min(problem.workload.running, plan.kv_room_tokens / (blocks * kKvBlockTokens));
  for (; plan.fits && sequences > 1; sequences -= (sequences + 7) / 8) {
    problem.workload.sequences = sequences;
    if (Plan roomy = make_plan(problem, objective); roomy.fits) return roomy;
  }
  problem.workload.sequences = 1;
  return plan;
}

Plan find_plan(const EngineOptions& asked) {
  const ModelSpec model = describe_model(read_model_config(asked.model_path));
  const EngineOptions options = with_plans_choices(with_stored_precision(asked, model.config.dir));
  const std::vector<DeviceSpec> specs = parse_devices(options.devices);
  const auto imagined = [](const DeviceSpec& spec) {
    return spec.kind == DeviceSpec::Kind::kImagined;
  };
  if (std::ranges::none_of(specs, imagined)) return plan_for_this_machine(model, options, specs);
  if (!std::ranges::all_of(specs, imagined))
    throw UsageError({.where = "--devices",
                      .what = options.devices,
                      .expected = "devices of this machine, or imagined ones",
                      .found = "both in one list"});
  std::vector<PlanDevice> devices;
  devices.reserve(specs.size());
  for (const DeviceSpec& spec : specs)
    devices.push_back(imagined_device(spec, static_cast<int>(devices.size())));
  const PlanProblem problem =
      problem_for(model, options, devices, imagined_links(devices.size()), false);
  return options.plan_file.empty() ? make_plan(problem, options.objective)
                                   : checked_plan(problem, options);
}

}  // namespace tessera
