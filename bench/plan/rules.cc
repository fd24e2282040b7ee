#include "bench/plan/rules.h"

#include <algorithm>
#include <numeric>

#include "base/units.h"
#include "plan/memory_model.h"
#include "plan/minimise.h"
#include "plan/plan_builder.h"

namespace tessera {
namespace {

// Layers a device, and where the free units go; -1: the host.
struct Placement {
  std::vector<int> layers;
  int vision = 0, embedding = 0;
};

double layer_bytes(const PlanProblem& p, const Profile& profile, size_t u) {
  return static_cast<double>(p.layers[u].costs.at(profile.layers[u]).weight_bytes);
}

double bytes_of(const PlanUnit& unit, Precision precision) {
  return static_cast<double>(unit.costs.at(precision_of(unit, precision)).weight_bytes);
}

Placement even(const PlanProblem& p) {
  Placement placement;
  const int devices = static_cast<int>(p.devices.size()),
            layers = static_cast<int>(p.layers.size());
  for (int d = 0; d < devices; ++d)
    placement.layers.push_back(layers * (d + 1) / devices - layers * d / devices);
  return placement;
}

Placement accelerate(const PlanProblem& p, const Profile& profile) {
  const size_t devices = p.devices.size(), layers = p.layers.size();
  // Module order: embedding, layers, vision tower, head.
  std::vector<double> modules = {bytes_of(p.embedding, p.own)};
  for (size_t u = 0; u < layers; ++u) modules.push_back(layer_bytes(p, profile, u));
  modules.push_back(p.vision ? bytes_of(*p.vision, p.own) : 0);
  modules.push_back(bytes_of(p.head, profile.head));
  const double total = std::accumulate(modules.begin(), modules.end(), 0.0);
  const double largest = *std::max_element(modules.begin() + 1, modules.begin() + 1 + layers);
  const double balanced = total / static_cast<double>(devices) + 1.25 * largest;

  Placement placement = {.layers = std::vector<int>(devices)};
  size_t d = 0;
  double used = 0;
  for (size_t m = 0; m < modules.size(); ++m) {
    const auto cap = [&] {
      const auto budget =
          static_cast<double>(p.devices[d].budget_bytes -
                              std::min(p.devices[d].budget_bytes, p.devices[d].fixed_bytes));
      const double limit = d + 1 < devices ? std::min(budget, balanced) : budget;
      return d == 0 ? limit - largest : limit;
    };
    while (d + 1 < devices && used + modules[m] > cap()) {
      ++d;
      used = 0;
    }
    used += modules[m];
    if (m >= 1 && m <= layers) ++placement.layers[d];
    if (m == layers + 1) placement.vision = static_cast<int>(d);
  }
  return placement;
}

Placement proportional(const PlanProblem& p) {
  const auto free_bytes = [](const PlanDevice& d) {
    return static_cast<double>(d.budget_bytes) - static_cast<double>(d.fixed_bytes);
  };
  double total = 0;
  for (const PlanDevice& d : p.devices) total += free_bytes(d);
  Placement placement = {.layers = std::vector<int>(p.devices.size()), .embedding = -1};
  for (size_t u = 0; u < p.layers.size(); ++u) {
    const double share = static_cast<double>(u) / static_cast<double>(p.layers.size() + 1);
    double upto = 0;
    size_t d = 0;
    while (d + 1 < p.devices.size() && (upto += free_bytes(p.devices[d]) / total) <= share) ++d;
    ++placement.layers[d];
  }
  return placement;
}

Placement back_to_front(const PlanProblem& p, const Profile& profile, int64_t kv_blocks) {
  Placement placement = {.layers = std::vector<int>(p.devices.size()), .embedding = -1};
  int end = static_cast<int>(p.layers.size());
  for (size_t d = p.devices.size(); d-- > 0 && end > 0;) {
    const PlanDevice& device = p.devices[d];
    const auto fits = [&](int first) {
      const Holds holds = {.layers = true,
                           .head = d + 1 == p.devices.size(),
                           .vision = d == 0 && p.vision.has_value()};
      const auto precisions =
          std::span(profile.layers)
              .subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
      const StageBytes bytes =
          device_bytes(p, device, holds, first, precisions, profile.head, kv_blocks);
      return bytes.total() + kGiB <= device.budget_bytes;
    };
    int first = end;
    while (first > 0 && (d == 0 || fits(first - 1))) --first;  // the first takes the rest
    placement.layers[d] = end - first;
    end = first;
  }
  return placement;
}

Plan build(const PlanProblem& p, const Profile& profile, const Placement& placement,
           Objective objective) {
  // One a device: the order is the rule's. Twice in it, for tower and embedding on a device without
  // layers that is too small for both: they are then listed apart, and the plan does not fit.
  std::vector<DeviceClass> classes;
  for (int d = 0; d < static_cast<int>(p.devices.size()); ++d)
    classes.push_back({.members = {d, d}});
  Split split;
  int first = 0;
  for (size_t d = 0; d < classes.size(); ++d) {
    const bool vision = p.vision && placement.vision == static_cast<int>(d);
    const bool embedding = placement.embedding == static_cast<int>(d);
    const int count = placement.layers[d];
    if (count == 0) {
      if (vision) split.side_class[kVision - 1] = static_cast<int>(d);
      if (embedding) split.side_class[kEmbedding - 1] = static_cast<int>(d);
      continue;
    }
    split.stages.push_back({.device_class = d,
                            .first = first,
                            .end = first + count,
                            .held = (vision ? kVision : 0) | (embedding ? kEmbedding : 0)});
    first += count;
  }
  const int64_t kv_blocks = kv_blocks_of(p.workload);
  Plan plan = build_plan(p, classes, profile, split, kv_blocks, objective);
  const auto over = [](const PlanStage& s) { return s.bytes.total() > s.budget_bytes; };
  const std::vector<PlanStage>& sides = plan.side_devices;
  plan.fits = std::none_of(plan.stages.begin(), plan.stages.end(), over) &&
              std::none_of(sides.begin(), sides.end(), over) &&
              !(sides.size() == 2 && sides[0].device == sides[1].device);
  if (!plan.fits) plan.kv_room_tokens = 0;
  const Goal goal = objective == Objective::kThroughput ? Goal::kBottleneck : Goal::kAnswer;
  evaluate(Instance(p, classes, profile, kv_blocks, goal), split);
  plan.certificate.value_ns = split.value;
  return plan;
}

}  // namespace

std::vector<RulePlan> plans_by_rule(const PlanProblem& problem, Objective objective) {
  const Precision precision =
      problem.precisions.size() == 1 ? problem.precisions.front() : problem.own;
  const Profile profile = uniform_profile(problem, precision);
  const auto plan = [&](const Placement& placement) {
    return build(problem, profile, placement, objective);
  };
  return {{"accelerate", plan(accelerate(problem, profile))},
          {"proportional", plan(proportional(problem))},
          {"back to front", plan(back_to_front(problem, profile, kv_blocks_of(problem.workload)))},
          {"even", plan(even(problem))}};
}

}  // namespace tessera
