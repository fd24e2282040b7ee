#include "plan/certificate_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "plan/certificate_replay.h"
#include "plan/cost_model.h"
#include "plan/index.h"
#include "plan/layout_checker.h"
#include "plan/loss_replay.h"
#include "plan/memory_model.h"

namespace tessera {
namespace {

constexpr size_t kMaxReplayDevices = 8;
constexpr int64_t kMostLossChoices = 20'000'000;   // a second
constexpr int64_t kMostBlocks = int64_t{1} << 32;  // "any number", where there is no KV cache

// Values come from a file: the largest there is has nothing above it.
int64_t one_percent_more(int64_t value) {
  return value + std::min(value / 100, std::numeric_limits<int64_t>::max() - value);
}

class Checker {
 public:
  Checker(const PlanProblem& problem, const Plan& plan)
      : p_(problem),
        plan_(plan),
        throughput_(plan.objective == Objective::kThroughput),
        micro_batch_(throughput_ ? problem.workload.micro_batch : 1),
        promised_blocks_(plan.objective == Objective::kContext ? plan.certificate.kv_blocks
                                                               : kv_blocks_of(problem.workload)) {}

  std::vector<std::string> check() {
    check_all();
    return wrong_.take();
  }

 private:
  // Each part counts on the one before.
  void check_all() {
    check_promise();
    if (!plan_.fits) return check_nothing_fits();
    if (!wrong_.none()) return;
    check_layout(p_, plan_, promised_blocks_, wrong_);
    if (!wrong_.none()) return;
    read_precisions();
    check_figures();
    check_certificate();
    if (!wrong_.none()) return;
    if (p_.devices.size() > kMaxReplayDevices)
      return wrong_.say(fmt::format("optimality: not replayed, {} devices are more than {}",
                                    p_.devices.size(), kMaxReplayDevices));
    replay();
  }

  // -------------------------------------------------------------------------------- promise

  void check_promise() {
    const int64_t sequences = p_.workload.sequences;
    const bool longer = plan_.fits && plan_.objective == Objective::kContext;
    const int64_t blocks = plan_.certificate.kv_blocks;
    if (plan_.fits && (blocks < kv_blocks_of(p_.workload) || blocks > kMostBlocks))
      return wrong_.say(fmt::format("certificate: {} KV blocks, should be {} to {}", blocks,
                                    kv_blocks_of(p_.workload), kMostBlocks));
    wrong_.same("keys and values", kv_format_name(plan_.kv), kv_format_name(p_.kv));
    wrong_.same("sequences", plan_.sequences, sequences);
    wrong_.same("context", plan_.context,
                longer ? promised_blocks_ / sequences * kKvBlockTokens : p_.workload.context);
    if (plan_.fits) wrong_.same("KV tokens", plan_.kv_tokens, promised_blocks_ * kKvBlockTokens);
  }

  void read_precisions() {
    for (const PlanStage& stage : plan_.stages)
      layers_.insert(layers_.end(), stage.precisions.begin(), stage.precisions.end());
    const Precision asked = asked_precision(p_);
    lowered_ = plan_.head_precision != precision_of(p_.head, asked);
    for (size_t u = 0; u < layers_.size(); ++u)
      lowered_ = lowered_ || layers_[u] != precision_of(p_.layers[u], asked);
  }

  // -------------------------------------------------------------------------------- figures

  void check_figures() {
    const SplitCosts step = costs(step_weights());
    const SplitCosts chunk = costs({.chunk = 1});
    for (size_t s = 0; s < plan_.stages.size(); ++s) {
      const PlanStage& stage = plan_.stages[s];
      const std::string what = fmt::format("stage {}", s);
      const size_t d = at(stage.device);
      const size_t first = at(stage.first_layer), end = at(stage.last_layer + 1);
      check_device(what, stage);
      const bool makes_input = s == 0 && stage.embedding;
      const size_t from = s == 0 ? 0 : at(plan_.stages[s - 1].device);
      const auto link = [&](const SplitCosts& of) {
        if (makes_input) return int64_t{0};
        return s == 0 ? of.in_sum[d] : of.link_sum[from][d];
      };
      wrong_.same_seconds(
          what + ": decode", stage.decode_s,
          seconds_of(step.sum[d][end] - step.sum[d][first] + (stage.head ? step.end_peak[d] : 0)));
      wrong_.same_seconds(what + ": link", stage.link_s, seconds_of(link(step)));
      wrong_.same_seconds(what + ": prefill chunk", stage.prefill_chunk_s,
                          seconds_of(chunk.sum[d][end] - chunk.sum[d][first]));
      wrong_.same_seconds(what + ": prefill link", stage.prefill_link_s, seconds_of(link(chunk)));
    }
    for (const PlanStage& side : plan_.side_devices) {
      const std::string what = fmt::format("device {} without layers", side.device);
      check_device(what, side);
      if (side.decode_s != 0 || side.link_s != 0 || side.prefill_chunk_s != 0 ||
          side.prefill_link_s != 0)
        wrong_.say(what + ": has times of layers");
    }
    check_kv_room();
    check_prediction();
  }

  void check_device(const std::string& what, const PlanStage& stage) {
    const PlanDevice& device = p_.devices[at(stage.device)];
    wrong_.same(what + ": device name", stage.device_name, device.name);
    wrong_.same(what + ": budget", stage.budget_bytes, device.budget_bytes);
    wrong_.same_seconds(what + ": one picture", stage.vision_s,
                        stage.vision ? seconds_of(vision_ns(p_, device)) : 0);
  }

  bool has_room(int64_t kv_blocks) const {
    return std::all_of(plan_.stages.begin(), plan_.stages.end(), [&](const PlanStage& stage) {
      return stage_bytes(p_, plan_, stage, kv_blocks).total() <=
             p_.devices[at(stage.device)].budget_bytes;
    });
  }

  void check_kv_room() {
    const int64_t blocks = plan_.kv_room_tokens / kKvBlockTokens;
    const bool whole = plan_.kv_room_tokens % kKvBlockTokens == 0;
    if (!whole || blocks < promised_blocks_ || blocks >= 2 * kMostBlocks || !has_room(blocks))
      return wrong_.say(fmt::format("KV room: {} tokens do not fit", plan_.kv_room_tokens));
    if (blocks + 1 < kMostBlocks && has_room(blocks + 1))
      wrong_.say(fmt::format("KV room: more than {} tokens fit", plan_.kv_room_tokens));
  }

  void check_prediction() {
    const PlanPrediction& found = plan_.predicted;
    const CostWeights answer = answer_weights(p_.workload);
    CostWeights prefill = answer, pictures = {.pictures = answer.pictures};
    prefill.decode = 0;
    prefill.head = 1;
    const LayoutCost step = cost(step_weights());
    const double step_s = seconds_of(step.sum), slowest_s = seconds_of(step.peak);
    wrong_.same_seconds("predicted decode step", found.decode_s_per_token, step_s);
    wrong_.same_seconds("predicted slowest stage", found.bottleneck_s, slowest_s);
    wrong_.same_seconds("predicted prefill", found.prefill_s, seconds_of(value(prefill)));
    wrong_.same_seconds("predicted pictures", found.vision_s, seconds_of(value(pictures)));
    wrong_.same_seconds("predicted answer", found.answer_s, seconds_of(value(answer)));
    const auto batch = static_cast<double>(micro_batch_);
    const auto in_flight =
        static_cast<double>(std::max<int64_t>(p_.workload.sequences / micro_batch_, 1));
    const double rate = slowest_s > 0 ? batch * std::min(in_flight / step_s, 1 / slowest_s) : 0;
    if (!(std::abs(found.tokens_per_s - rate) <= 1e-9 * rate))
      wrong_.say(
          fmt::format("predicted tokens/s: {:.9g}, should be {:.9g}", found.tokens_per_s, rate));
  }

  SplitCosts costs(const CostWeights& weights) const {
    return {p_, layers_, plan_.head_precision, weights, micro_batch_};
  }
  LayoutCost cost(const CostWeights& weights) const {
    Layout layout = {.vision = plan_.vision_device, .embedding = plan_.embedding_device};
    for (const PlanStage& stage : plan_.stages) {
      layout.devices.push_back(stage.device);
      layout.ends.push_back(stage.last_layer + 1);
    }
    return cost_of(costs(weights), layout);
  }
  int64_t value(const CostWeights& weights) const {
    const LayoutCost total = cost(weights);
    return total.sum + weights.peak * total.peak;
  }

  // ---------------------------------------------------------------------------- certificate

  CostWeights objective_weights() const {
    return throughput_ ? step_weights() : answer_weights(p_.workload);
  }

  void check_certificate() {
    const Certificate& c = plan_.certificate;
    const int64_t own_value = value(objective_weights());
    if (c.value_ns != own_value) return wrong_.same("certificate: value", c.value_ns, own_value);
    if (c.optimum_ns < 0 || c.optimum_ns > c.value_ns)
      return wrong_.say(
          fmt::format("certificate: optimum {} is above the value {}", c.optimum_ns, c.value_ns));
    // More room is worth 1 %, except where room is what was asked for.
    const int64_t most = plan_.objective == Objective::kContext || lowered_
                             ? c.optimum_ns
                             : one_percent_more(c.optimum_ns);
    if (c.exact && c.loss_exact && c.value_ns > most)
      wrong_.say(fmt::format("certificate: value {} is more than {}", c.value_ns, most));
    if (!has_room(c.kv_blocks))
      wrong_.say(fmt::format("certificate: this plan has no room for {} KV blocks", c.kv_blocks));

    check_slowest();
    int64_t loss = loss_units(p_.head.costs.at(plan_.head_precision).loss);
    for (size_t u = 0; u < layers_.size(); ++u)
      loss += loss_units(p_.layers[u].costs.at(layers_[u]).loss);
    wrong_.same("certificate: loss", c.loss, loss);
    check_bounds();
  }

  void check_slowest() {
    const int64_t claimed = plan_.certificate.bottleneck_ns;
    const int64_t slowest = cost(step_weights()).peak;
    if (!throughput_) return wrong_.same("certificate: slowest stage", claimed, int64_t{0});
    if (claimed < 0 || (claimed > slowest && plan_.certificate.loss_exact) ||
        slowest - claimed > claimed / 100)
      wrong_.say(fmt::format("certificate: the slowest stage takes {} ns, not {} or up to 1 % more",
                             slowest, claimed));
  }

  void check_bounds() {
    const Certificate& c = plan_.certificate;
    const PlanBound& bound = plan_.bound;
    const int64_t slowest = cost(step_weights()).peak;
    wrong_.at_most("bound of the objective, s", bound.objective_s,
                   seconds_of(throughput_ ? c.bottleneck_ns : c.optimum_ns));
    if (throughput_) {  // in the others a step of another micro-batch is bounded
      wrong_.at_most("water-filling bound, s", bound.water_filling_s, seconds_of(slowest));
      wrong_.at_most("largest unit's bound, s", bound.largest_unit_s, seconds_of(slowest));
    }
    uint64_t memory = 0;
    for (const PlanDevice& device : p_.devices) memory += device.budget_bytes;
    wrong_.same("bound: available bytes", bound.available_bytes, memory);
    if (bound.needed_bytes > memory)
      wrong_.say(
          fmt::format("bound: {} bytes needed of {}, and yet it fits", bound.needed_bytes, memory));
  }

  // ----------------------------------------------------------------------------- optimality

  int64_t least(const SplitCosts& of, int64_t kv_blocks, int64_t cap, int64_t below) const {
    return least_value(p_, layers_, plan_.head_precision, of, kv_blocks, cap, below);
  }

  void replay() {
    const Certificate& c = plan_.certificate;
    const SplitCosts of = costs(objective_weights());
    const int64_t promised = kv_blocks_of(p_.workload);
    int64_t cap = kNoSplit;
    if (throughput_) {
      cap = one_percent_more(c.bottleneck_ns);
      // What a cut-off search of precisions found is no bound.
      if (c.loss_exact && least(of, promised, c.bottleneck_ns - 1, kNoSplit) != kNoSplit)
        wrong_.say(
            fmt::format("optimality: a slowest stage below {} ns is possible", c.bottleneck_ns));
      // Other precisions of the same loss may have had it.
      if (!lowered_ && least(of, promised, c.bottleneck_ns, kNoSplit) == kNoSplit)
        wrong_.say(
            fmt::format("optimality: no split has a slowest stage of {} ns", c.bottleneck_ns));
    }
    const bool roomy = plan_.objective == Objective::kContext;
    replay_optimum(least(of, roomy ? c.kv_blocks : promised, cap, c.optimum_ns + 1));
    if (c.exact && c.room_exact && least(of, c.kv_blocks, cap, c.value_ns) != kNoSplit)
      wrong_.say(fmt::format("optimality: a value below {} ns has room for {} KV blocks",
                             c.value_ns, c.kv_blocks));
    if (lowered_) {
      if (fits_as_asked()) wrong_.say("optimality: the precision asked for fits");
      if (c.loss_exact) replay_loss();
      return;  // room was not searched for
    }
    const int64_t below = roomy ? kNoSplit : one_percent_more(c.optimum_ns) + 1;
    if (c.kv_blocks < kMostBlocks && (roomy || (c.exact && c.room_exact)) &&
        least(of, c.kv_blocks + 1, cap, below) != kNoSplit)
      wrong_.say(fmt::format("optimality: there is room for more than {} KV blocks", c.kv_blocks));
  }

  // `found` is the least value if it is at most the optimum that is claimed.
  void replay_optimum(int64_t found) {
    const Certificate& c = plan_.certificate;
    if (found < c.optimum_ns)
      wrong_.say(fmt::format("optimality: {} ns is possible, below {} ns", found, c.optimum_ns));
    if (found == kNoSplit && c.exact)
      wrong_.say(fmt::format("optimality: no split is as good as {} ns", c.optimum_ns));
  }

  void replay_loss() {
    const int64_t claimed = plan_.certificate.loss;
    const LossReplay least = loss_below(p_, kv_blocks_of(p_.workload), claimed, kMostLossChoices);
    if (least.below != kNoSplit)
      wrong_.say(
          fmt::format("optimality: a loss of {} is possible, below {}", least.below, claimed));
    if (!least.complete)
      wrong_.say(fmt::format("optimality: least loss not replayed, {} choices were not enough",
                             kMostLossChoices));
  }

  // Whether anything fits, with a precision for each unit.
  template <typename Choose>
  bool fits(const Choose& choose) const {
    std::vector<Precision> layers;
    for (const PlanUnit& layer : p_.layers) layers.push_back(choose(layer));
    const Precision head = choose(p_.head);
    const SplitCosts free_of_charge(p_, layers, head, {}, 1);
    return least_value(p_, layers, head, free_of_charge, kv_blocks_of(p_.workload)) != kNoSplit;
  }
  bool fits_as_asked() const {
    return fits([&](const PlanUnit& unit) { return precision_of(unit, asked_precision(p_)); });
  }

  void check_nothing_fits() {
    if (!plan_.stages.empty() || !plan_.side_devices.empty())
      wrong_.say("stages: some, in a plan that does not fit");
    if (p_.devices.size() > kMaxReplayDevices)
      return wrong_.say(fmt::format("that nothing fits: not replayed, {} devices are more than {}",
                                    p_.devices.size(), kMaxReplayDevices));
    // If any choice of precisions fits, the one of fewest bytes does.
    const auto smallest = [&](const PlanUnit& unit) {
      Precision best = precision_of(unit, asked_precision(p_));
      for (const Precision wanted : p_.precisions)
        if (const Precision other = precision_of(unit, wanted);
            unit.costs.at(other).weight_bytes < unit.costs.at(best).weight_bytes)
          best = other;
      return best;
    };
    if (fits(smallest)) wrong_.say("that nothing fits: something does");
  }

  const PlanProblem& p_;
  const Plan& plan_;
  const bool throughput_;
  const int64_t micro_batch_;
  const int64_t promised_blocks_;
  Findings wrong_;
  std::vector<Precision> layers_;
  bool lowered_ = false;
};

}  // namespace

std::vector<std::string> check_plan(const PlanProblem& problem, const Plan& plan) {
  validate_problem(problem);
  return Checker(problem, plan).check();
}

}  // namespace tessera
