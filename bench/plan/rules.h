#pragma once

#include <string>
#include <vector>

#include "plan/problem.h"

namespace tessera {

/// The placement rules of other engines, as far as they decide where layers go; each takes the
/// devices in the order given and the model's own (or the forced) precision. The plan that comes
/// back may exceed a budget: plan.fits says so, and its bytes by how much.
///
///   accelerate     greedy in module order under a balanced cap: total / K + 1.25 x the largest
///                  block, less one layer on the first device; the vision tower after the layers
///   proportional   llama.cpp's default: layer i to the first device whose cumulative share of the
///                  free memory exceeds i / (L + 1); embedding on the host, tower on device 0
///   back to front  llama.cpp's --fit: devices filled to a margin of 1 GiB, the last one first
///   even           the same number of layers each; tower and embedding on device 0
struct RulePlan {
  std::string rule;
  Plan plan;
};
std::vector<RulePlan> plans_by_rule(const PlanProblem& problem, Objective objective);

}  // namespace tessera
