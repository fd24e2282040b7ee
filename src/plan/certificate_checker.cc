#include "plan/certificate_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "plan/certificate_replay.h"
#include "plan/cost_model.h"
#include "plan/memory_model.h"

namespace tessera {
namespace {

constexpr size_t kMaxReplayDevices = 8;
constexpr int64_t kMostBlocks = int64_t{1} << 32;  // "any number", where there is no KV cache

int64_t one_percent_more(int64_t value) {
  return value + value / 100;
}

size_t at(int index) {
  return static_cast<size_t>(index);
}

class Checker {
 public:
  Checker(const PlanProblem& problem, const Plan& plan)
      : p_(problem),
        plan_(plan),
        forced_(problem.precisions.size() == 1),
        asked_(forced_ ? problem.precisions.front() : problem.own),
        throughput_(plan.objective == Objective::kThroughput),
        micro_batch_(throughput_ ? problem.workload.micro_batch : 1),
        promised_blocks_(plan.objective == Objective::kContext ? plan.certificate.kv_blocks
                                                               : kv_blocks_of(problem.workload)) {}

  std::vector<std::string> check() {
    // Each part counts on the one before.
    check_promise();
    if (!plan_.fits) {
      check_nothing_fits();
      return std::move(wrong_);
    }
    if (wrong_.empty()) check_structure();
    if (!wrong_.empty()) return std::move(wrong_);
    check_figures();
    check_certificate();
    if (!wrong_.empty()) return std::move(wrong_);
    if (p_.devices.size() > kMaxReplayDevices) {
      say(fmt::format("optimality: not replayed, {} devices are more than {}", p_.devices.size(),
                      kMaxReplayDevices));
    } else {
      replay();
    }
    return std::move(wrong_);
  }

 private:
  void say(std::string line) { wrong_.push_back(std::move(line)); }

  template <typename T>
  void same(const std::string& what, const T& found, const T& expected) {
    if (found != expected) say(fmt::format("{}: {}, should be {}", what, found, expected));
  }
  // Seconds are sums of doubles in another order, and may have been to a file and back.
  void same_seconds(const std::string& what, double found, double expected) {
    const double tolerance = 1e-9 * std::max(std::abs(found), std::abs(expected));
    if (!(std::abs(found - expected) <= tolerance))
      say(fmt::format("{}: {:.9g} s, should be {:.9g} s", what, found, expected));
  }
  void at_most(const std::string& what, double found, double limit) {
    if (!(found >= 0 && found <= limit * (1 + 1e-9)))
      say(fmt::format("{}: {:.9g}, should be 0 to {:.9g}", what, found, limit));
  }

  // ------------------------------------------------------------------------------ structure

  void check_promise() {
    const int64_t sequences = p_.workload.sequences;
    const bool longer = plan_.fits && plan_.objective == Objective::kContext;
    const int64_t blocks = plan_.certificate.kv_blocks;
    if (plan_.fits && (blocks < kv_blocks_of(p_.workload) || blocks > kMostBlocks))
      return say(fmt::format("certificate: {} KV blocks, should be {} to {}", blocks,
                             kv_blocks_of(p_.workload), kMostBlocks));
    same("sequences", plan_.sequences, sequences);
    same("context", plan_.context,
         longer ? promised_blocks_ / sequences * kKvBlockTokens : p_.workload.context);
    if (plan_.fits) same("KV tokens", plan_.kv_tokens, promised_blocks_ * kKvBlockTokens);
  }

  void check_structure() {
    const int layers = static_cast<int>(p_.layers.size());
    if (plan_.stages.empty()) return say("stages: none");
    int next = 0;
    for (size_t s = 0; s < plan_.stages.size(); ++s) {
      const PlanStage& stage = plan_.stages[s];
      const std::string what = fmt::format("stage {}", s);
      check_device(what, stage);
      if (stage.first_layer != next || stage.last_layer < next || stage.last_layer >= layers)
        return say(fmt::format("{}: layers {} to {}, should be from {} to at most {}", what,
                               stage.first_layer, stage.last_layer, next, layers - 1));
      next = stage.last_layer + 1;
      same(what + ": precisions", stage.precisions.size(), at(stage.layer_count()));
      same(what + ": head", stage.head, s + 1 == plan_.stages.size());
      layers_.insert(layers_.end(), stage.precisions.begin(), stage.precisions.end());
    }
    same("layers placed", next, layers);
    for (const PlanStage& side : plan_.side_devices) {
      const std::string what = fmt::format("device {} without layers", side.device);
      check_device(what, side);
      if (side.first_layer != 0 || side.last_layer != -1 || !side.precisions.empty() || side.head)
        say(what + ": has layers or the head");
      if (!side.vision && !side.embedding) say(what + ": holds nothing");
    }
    check_placed("vision", &PlanStage::vision, plan_.vision_device, p_.vision ? 1 : 0);
    check_placed("embedding", &PlanStage::embedding, plan_.embedding_device,
                 plan_.embedding_device == kOnHost && p_.embedding_on_host_allowed ? 0 : 1);
    if (wrong_.empty()) check_precisions();
  }

  void check_device(const std::string& what, const PlanStage& stage) {
    if (stage.device < 0 || at(stage.device) >= p_.devices.size())
      return say(fmt::format("{}: there is no device {}", what, stage.device));
    if (!used_.insert(stage.device).second)
      say(fmt::format("{}: device {} is used twice", what, stage.device));
    same(what + ": device name", stage.device_name, p_.devices[at(stage.device)].name);
  }

  void check_placed(const std::string& unit, bool PlanStage::*holds, int device, int times) {
    int count = 0;
    for (const auto* list : {&plan_.stages, &plan_.side_devices})
      for (const PlanStage& stage : *list)
        if (stage.*holds) {
          ++count;
          same(unit + " device", device, stage.device);
        }
    same("devices that hold the " + unit, count, times);
    if (times == 0) same(unit + " device", device, kOnHost);
  }

  // A unit has the precision asked for, or one that the search may fall back to.
  void check_precisions() {
    for (size_t u = 0; u <= layers_.size(); ++u) {
      const bool head = u == layers_.size();
      const PlanUnit& unit = head ? p_.head : p_.layers[u];
      const Precision precision = head ? plan_.head_precision : layers_[u];
      const bool as_asked = precision == precision_of(unit, asked_);
      lowered_ = lowered_ || !as_asked;
      const bool allowed =
          as_asked || (!forced_ && std::any_of(p_.precisions.begin(), p_.precisions.end(),
                                               [&](Precision wanted) {
                                                 return precision == precision_of(unit, wanted);
                                               }));
      if (!allowed)
        say(fmt::format("{}: its precision is not one of those allowed",
                        head ? std::string("head") : fmt::format("layer {}", u)));
    }
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
      check_bytes(what, stage);
      const bool makes_input = s == 0 && stage.embedding;
      const size_t from = s == 0 ? 0 : at(plan_.stages[s - 1].device);
      const auto link = [&](const SplitCosts& of) {
        if (makes_input) return int64_t{0};
        return s == 0 ? of.in_sum[d] : of.link_sum[from][d];
      };
      same_seconds(
          what + ": decode", stage.decode_s,
          seconds_of(step.sum[d][end] - step.sum[d][first] + (stage.head ? step.end_peak[d] : 0)));
      same_seconds(what + ": link", stage.link_s, seconds_of(link(step)));
      same_seconds(what + ": prefill chunk", stage.prefill_chunk_s,
                   seconds_of(chunk.sum[d][end] - chunk.sum[d][first]));
      same_seconds(what + ": prefill link", stage.prefill_link_s, seconds_of(link(chunk)));
    }
    for (const PlanStage& side : plan_.side_devices) {
      const std::string what = fmt::format("device {} without layers", side.device);
      check_bytes(what, side);
      if (side.decode_s != 0 || side.link_s != 0 || side.prefill_chunk_s != 0 ||
          side.prefill_link_s != 0)
        say(what + ": has times of layers");
    }
    check_kv_room();
    check_prediction();
  }

  StageBytes bytes_of(const PlanStage& stage, int64_t kv_blocks) const {
    const Holds holds = {.layers = stage.layer_count() > 0,
                         .head = stage.head,
                         .vision = stage.vision,
                         .embedding = stage.embedding};
    return device_bytes(p_, p_.devices[at(stage.device)], holds, stage.first_layer,
                        stage.precisions, plan_.head_precision, kv_blocks);
  }

  void check_bytes(const std::string& what, const PlanStage& stage) {
    const StageBytes bytes = bytes_of(stage, promised_blocks_);
    same(what + ": bytes of weights", stage.bytes.weights, bytes.weights);
    same(what + ": bytes of the vision tower", stage.bytes.vision, bytes.vision);
    same(what + ": bytes of the embedding", stage.bytes.embedding, bytes.embedding);
    same(what + ": bytes of the head", stage.bytes.head, bytes.head);
    same(what + ": bytes of KV", stage.bytes.kv, bytes.kv);
    same(what + ": bytes of the arena", stage.bytes.arena, bytes.arena);
    same(what + ": fixed bytes", stage.bytes.fixed, bytes.fixed);
    const PlanDevice& device = p_.devices[at(stage.device)];
    same(what + ": budget", stage.budget_bytes, device.budget_bytes);
    if (bytes.total() > device.budget_bytes)
      say(fmt::format("{}: {} bytes are more than {}", what, bytes.total(), device.budget_bytes));
    same_seconds(what + ": one picture", stage.vision_s,
                 stage.vision ? seconds_of(vision_ns(p_, device)) : 0);
  }

  bool has_room(int64_t kv_blocks) const {
    return std::all_of(plan_.stages.begin(), plan_.stages.end(), [&](const PlanStage& stage) {
      return bytes_of(stage, kv_blocks).total() <= p_.devices[at(stage.device)].budget_bytes;
    });
  }

  void check_kv_room() {
    const int64_t blocks = plan_.kv_room_tokens / kKvBlockTokens;
    const bool whole = plan_.kv_room_tokens % kKvBlockTokens == 0;
    if (!whole || blocks < promised_blocks_ || blocks >= 2 * kMostBlocks || !has_room(blocks))
      return say(fmt::format("KV room: {} tokens do not fit", plan_.kv_room_tokens));
    if (blocks + 1 < kMostBlocks && has_room(blocks + 1))
      say(fmt::format("KV room: more than {} tokens fit", plan_.kv_room_tokens));
  }

  void check_prediction() {
    const PlanPrediction& found = plan_.predicted;
    const CostWeights answer = answer_weights(p_.workload);
    CostWeights prefill = answer, pictures = {.pictures = answer.pictures};
    prefill.decode = 0;
    prefill.head = 1;
    const LayoutCost step = cost(step_weights());
    const double step_s = seconds_of(step.sum), slowest_s = seconds_of(step.peak);
    same_seconds("predicted decode step", found.decode_s_per_token, step_s);
    same_seconds("predicted slowest stage", found.bottleneck_s, slowest_s);
    same_seconds("predicted prefill", found.prefill_s, seconds_of(value(prefill)));
    same_seconds("predicted pictures", found.vision_s, seconds_of(value(pictures)));
    same_seconds("predicted answer", found.answer_s, seconds_of(value(answer)));
    const auto batch = static_cast<double>(micro_batch_);
    const auto in_flight =
        static_cast<double>(std::max<int64_t>(p_.workload.sequences / micro_batch_, 1));
    const double rate = slowest_s > 0 ? batch * std::min(in_flight / step_s, 1 / slowest_s) : 0;
    if (!(std::abs(found.tokens_per_s - rate) <= 1e-9 * rate))
      say(fmt::format("predicted tokens/s: {:.9g}, should be {:.9g}", found.tokens_per_s, rate));
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
    same("certificate: value", c.value_ns, value(objective_weights()));
    if (c.optimum_ns < 0 || c.optimum_ns > c.value_ns)
      return say(
          fmt::format("certificate: optimum {} is above the value {}", c.optimum_ns, c.value_ns));
    // More room is worth 1 %, except where room is what was asked for.
    const int64_t most = plan_.objective == Objective::kContext || lowered_
                             ? c.optimum_ns
                             : one_percent_more(c.optimum_ns);
    if (c.exact && c.loss_exact && c.value_ns > most)
      say(fmt::format("certificate: value {} is more than {}", c.value_ns, most));
    if (!has_room(c.kv_blocks))
      say(fmt::format("certificate: this plan has no room for {} KV blocks", c.kv_blocks));

    check_slowest();
    int64_t loss = loss_units(p_.head.costs.at(plan_.head_precision).loss);
    for (size_t u = 0; u < layers_.size(); ++u)
      loss += loss_units(p_.layers[u].costs.at(layers_[u]).loss);
    same("certificate: loss", c.loss, loss);
    check_bounds();
  }

  void check_slowest() {
    const int64_t claimed = plan_.certificate.bottleneck_ns;
    const int64_t slowest = cost(step_weights()).peak;
    if (!throughput_) return same("certificate: slowest stage", claimed, int64_t{0});
    if (claimed < 0 || (claimed > slowest && plan_.certificate.loss_exact) ||
        slowest - claimed > claimed / 100)
      say(fmt::format("certificate: the slowest stage takes {} ns, not {} or up to 1 % more",
                      slowest, claimed));
  }

  void check_bounds() {
    const Certificate& c = plan_.certificate;
    const PlanBound& bound = plan_.bound;
    const int64_t slowest = cost(step_weights()).peak;
    at_most("bound of the objective, s", bound.objective_s,
            seconds_of(throughput_ ? c.bottleneck_ns : c.optimum_ns));
    if (throughput_) {  // in the others a step of another micro-batch is bounded
      at_most("water-filling bound, s", bound.water_filling_s, seconds_of(slowest));
      at_most("largest unit's bound, s", bound.largest_unit_s, seconds_of(slowest));
    }
    uint64_t memory = 0;
    for (const PlanDevice& device : p_.devices) memory += device.budget_bytes;
    same("bound: available bytes", bound.available_bytes, memory);
    if (bound.needed_bytes > memory)
      say(fmt::format("bound: {} bytes needed of {}, and yet it fits", bound.needed_bytes, memory));
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
        say(fmt::format("optimality: a slowest stage below {} ns is possible", c.bottleneck_ns));
      // Other precisions of the same loss may have had it.
      if (!lowered_ && least(of, promised, c.bottleneck_ns, kNoSplit) == kNoSplit)
        say(fmt::format("optimality: no split has a slowest stage of {} ns", c.bottleneck_ns));
    }
    const bool roomy = plan_.objective == Objective::kContext;
    replay_optimum(least(of, roomy ? c.kv_blocks : promised, cap, c.optimum_ns + 1));
    if (c.exact && c.room_exact && least(of, c.kv_blocks, cap, c.value_ns) != kNoSplit)
      say(fmt::format("optimality: a value below {} ns has room for {} KV blocks", c.value_ns,
                      c.kv_blocks));
    if (lowered_) {
      if (fits_as_asked()) say("optimality: the precision asked for fits");
      return;  // room was not searched for
    }
    const int64_t below = roomy ? kNoSplit : one_percent_more(c.optimum_ns) + 1;
    if (c.kv_blocks < kMostBlocks && (roomy || (c.exact && c.room_exact)) &&
        least(of, c.kv_blocks + 1, cap, below) != kNoSplit)
      say(fmt::format("optimality: there is room for more than {} KV blocks", c.kv_blocks));
  }

  // `found` is the least value if it is at most the optimum that is claimed.
  void replay_optimum(int64_t found) {
    const Certificate& c = plan_.certificate;
    if (found < c.optimum_ns)
      say(fmt::format("optimality: {} ns is possible, below {} ns", found, c.optimum_ns));
    if (found == kNoSplit && c.exact)
      say(fmt::format("optimality: no split is as good as {} ns", c.optimum_ns));
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
    return fits([&](const PlanUnit& unit) { return precision_of(unit, asked_); });
  }

  void check_nothing_fits() {
    if (!plan_.stages.empty() || !plan_.side_devices.empty())
      say("stages: some, in a plan that does not fit");
    if (p_.devices.size() > kMaxReplayDevices)
      return say(fmt::format("that nothing fits: not replayed, {} devices are more than {}",
                             p_.devices.size(), kMaxReplayDevices));
    // If any choice of precisions fits, the one of fewest bytes does.
    const auto smallest = [&](const PlanUnit& unit) {
      Precision best = precision_of(unit, asked_);
      if (forced_) return best;
      for (const Precision wanted : p_.precisions)
        if (const Precision other = precision_of(unit, wanted);
            unit.costs.at(other).weight_bytes < unit.costs.at(best).weight_bytes)
          best = other;
      return best;
    };
    if (fits(smallest)) say("that nothing fits: something does");
  }

  const PlanProblem& p_;
  const Plan& plan_;
  const bool forced_;
  const Precision asked_;
  const bool throughput_;
  const int64_t micro_batch_;
  const int64_t promised_blocks_;
  std::vector<std::string> wrong_;
  std::set<int> used_;
  std::vector<Precision> layers_;
  bool lowered_ = false;
};

}  // namespace

std::vector<std::string> check_plan(const PlanProblem& problem, const Plan& plan) {
  validate_problem(problem);
  return Checker(problem, plan).check();
}

}  // namespace tessera
