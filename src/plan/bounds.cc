#include <algorithm>

#include "plan/memory_model.h"
#include "plan/plan_builder.h"
#include "plan/remainder_bound.h"

namespace tessera {
namespace {

// What of the chain one device can take: of each ns it has, and of each byte.
struct Worth {
  double of_ns = 0, of_byte = 0;
  bool no_ns = false, no_bytes = false;  // something is worth taking and costs none
};

// The largest part of the chain's worth, 1 in all, that a layer brings for a ns or a byte. Of
// layers that are alike it is 1 / t_d and 1 / bytes_d.
Worth worth_of(const ClassCosts& costs, const std::vector<double>& layers) {
  Worth out;
  for (size_t u = 0; u < layers.size(); ++u) {
    const auto ns = static_cast<double>(costs.peak[u + 1] - costs.peak[u]);
    const auto bytes = static_cast<double>(costs.bytes[u + 1] - costs.bytes[u]);
    if (layers[u] <= 0) continue;
    ns > 0 ? out.of_ns = std::max(out.of_ns, layers[u] / ns) : out.no_ns = true;
    bytes > 0 ? out.of_byte = std::max(out.of_byte, layers[u] / bytes) : out.no_bytes = true;
  }
  return out;
}

// A layer is worth its time on the device that is fastest at it: devices need not agree on which
// of two layers is the longer one.
std::vector<double> worth_of_layers(const Instance& steps) {
  std::vector<double> layers;
  double all = 0;
  for (size_t u = 0; u < static_cast<size_t>(steps.layers); ++u) {
    int64_t fastest = kNever;
    for (const ClassCosts& costs : steps.classes)
      fastest = std::min(fastest, costs.peak[u + 1] - costs.peak[u]);
    layers.push_back(static_cast<double>(fastest));
    all += layers.back();
  }
  if (all > 0)
    for (double& layer : layers) layer /= all;
  return layers;
}

// LB1: the smallest time in which all devices together get through the chain, were it cut anywhere,
// in any order, without links: device d takes at most the share min(tau / t_d, memory_d / bytes_d)
// of layers that are alike, and of others what the best of them is worth.
double water_filling_s(const Instance& steps) {
  const std::vector<double> layers = worth_of_layers(steps);
  std::vector<Worth> worths;
  for (const ClassCosts& costs : steps.classes) worths.push_back(worth_of(costs, layers));
  const auto share = [&](double tau_ns) {
    double total = 0;
    for (size_t c = 0; c < steps.classes.size(); ++c) {
      int64_t room = 0;
      for (const auto& [without_head, with_head] : steps.classes[c].room)
        room = std::max({room, without_head, with_head});
      const Worth& worth = worths[c];
      const double by_time = worth.no_ns ? 1 : tau_ns * worth.of_ns;
      const double by_memory = worth.no_bytes ? 1 : static_cast<double>(room) * worth.of_byte;
      total += steps.used.size(c) * std::min({by_time, by_memory, 1.0});
    }
    return total;
  };
  double low = 0, high = 0;
  for (const ClassCosts& costs : steps.classes)
    high = std::max(high, static_cast<double>(costs.peak.back()));
  if (share(high) < 1) return 0;  // the memory alone rules it out
  for (int i = 0; i < 60; ++i) (share((low + high) / 2) >= 1 ? high : low) = (low + high) / 2;
  return low * 1e-9;
}

// LB2: the unit that is slowest on the device that runs it fastest.
int64_t largest_unit_ns(const Instance& steps) {
  int64_t largest = 0;
  for (size_t u = 0; u < static_cast<size_t>(steps.layers); ++u) {
    int64_t fastest = kNever;
    for (const ClassCosts& costs : steps.classes)
      fastest = std::min(fastest, costs.peak[u + 1] - costs.peak[u]);
    largest = std::max(largest, fastest);
  }
  return largest;
}

// LB3: all units against all memory. Rounded to the finest granule there is.
void fill_bytes(const PlanProblem& problem, const Profile& profile, int64_t kv_blocks,
                PlanBound& bound) {
  uint64_t granule = problem.devices.front().granule_bytes;
  for (const PlanDevice& device : problem.devices) {
    granule = std::min(granule, device.granule_bytes);
    bound.available_bytes += device.budget_bytes;
  }
  for (size_t u = 0; u < problem.layers.size(); ++u)
    bound.needed_bytes += unit_weight_bytes(problem.layers[u], profile.layers[u], granule) +
                          layer_kv_bytes(problem.layers[u], kv_blocks, granule);
  bound.needed_bytes += unit_weight_bytes(problem.head, profile.head, granule);
  if (problem.vision)
    bound.needed_bytes +=
        unit_weight_bytes(*problem.vision, precision_of(*problem.vision, problem.own), granule);
  if (!problem.embedding_on_host_allowed)
    bound.needed_bytes +=
        unit_weight_bytes(problem.embedding, precision_of(problem.embedding, problem.own), granule);
}

}  // namespace

PlanBound bound_plan(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                     const Profile& profile, int64_t kv_blocks, Objective objective) {
  PlanBound bound;
  fill_bytes(problem, profile, kv_blocks, bound);
  const Instance steps(problem, classes, profile, kv_blocks, Goal::kBottleneck);
  bound.water_filling_s = water_filling_s(steps);
  bound.largest_unit_s = seconds_of(largest_unit_ns(steps));
  if (objective == Objective::kThroughput) {
    const int64_t floor = peak_floor(steps);
    bound.objective_s = floor >= kNever ? 0 : seconds_of(std::max(floor, largest_unit_ns(steps)));
  } else {
    const Instance answer(problem, classes, profile, kv_blocks, Goal::kAnswer);
    const int64_t floor = peak_floor(answer);
    const int64_t sum = RemainderBound(answer, kNever).total();
    bound.objective_s =
        floor >= kNever || sum >= kNever ? 0 : seconds_of(sum + answer.peak_weight * floor);
  }
  return bound;
}

}  // namespace tessera
