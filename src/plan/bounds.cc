#include <algorithm>

#include "plan/memory_model.h"
#include "plan/plan_builder.h"
#include "plan/remainder_bound.h"

namespace tessera {
namespace {

// LB1: the smallest time in which all devices together get through the chain, were it cut anywhere,
// in any order, without links: device d takes the share min(tau / t_d, memory_d / bytes_d).
double water_filling_s(const Instance& steps) {
  const auto share = [&](double tau_ns) {
    double total = 0;
    for (size_t c = 0; c < steps.classes.size(); ++c) {
      const ClassCosts& costs = steps.classes[c];
      int64_t room = 0;
      for (const auto& [without_head, with_head] : costs.room)
        room = std::max({room, without_head, with_head});
      const auto time = static_cast<double>(costs.peak.back());
      const auto bytes = static_cast<double>(costs.bytes.back());
      const double by_time = time > 0 ? tau_ns / time : 1;
      const double by_memory = bytes > 0 ? static_cast<double>(room) / bytes : 1;
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
