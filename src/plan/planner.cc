#include "plan/planner.h"

#include <algorithm>

#include "plan/lower_precision.h"
#include "plan/memory_model.h"
#include "plan/optimise.h"
#include "plan/plan_builder.h"
#include "plan/why_not.h"

namespace tessera {
namespace {

int64_t total_loss(const PlanProblem& problem, const Profile& profile) {
  int64_t loss = loss_units(problem.head.costs.at(profile.head).loss);
  for (size_t u = 0; u < problem.layers.size(); ++u)
    loss += loss_units(problem.layers[u].costs.at(profile.layers[u]).loss);
  return loss;
}

Plan plan_from(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
               const Profile& profile, const Optimum& optimum, Objective objective) {
  const int64_t promised = kv_blocks_of(problem.workload);
  const int64_t blocks = objective == Objective::kContext ? optimum.kv_blocks : promised;
  Plan plan = build_plan(problem, classes, profile, optimum.split, blocks, objective);
  plan.bound = bound_plan(problem, classes, profile, blocks, objective);
  plan.certificate = {.value_ns = optimum.split.value,
                      .optimum_ns = optimum.optimum_ns,
                      .bottleneck_ns = optimum.bottleneck_ns,
                      .loss = total_loss(problem, profile),
                      .kv_blocks = optimum.kv_blocks,
                      .exact = optimum.exact,
                      .room_exact = optimum.room_exact};
  return plan;
}

Plan no_plan(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
             const Profile& profile, Objective objective) {
  Plan plan = {.objective = objective, .kv = problem.kv};
  plan.context = problem.workload.context;
  plan.sequences = problem.workload.sequences;
  plan.bound = bound_plan(problem, classes, profile, kv_blocks_of(problem.workload), objective);
  return plan;
}

}  // namespace

Plan make_plan(const PlanProblem& problem, Objective objective) {
  validate_problem(problem);
  const std::vector<DeviceClass> classes = group_devices(problem);
  const bool forced = problem.precisions.size() == 1;
  const Precision asked = asked_precision(problem);
  const Profile profile = uniform_profile(problem, asked);
  const int64_t kv_blocks = kv_blocks_of(problem.workload);

  if (const auto optimum = optimise(problem, classes, profile, kv_blocks, objective))
    return plan_from(problem, classes, profile, *optimum, objective);
  if (!forced) {
    if (auto mixed = optimise_precisions(problem, classes, kv_blocks, objective)) {
      Plan plan = plan_from(problem, classes, mixed->profile, mixed->optimum, objective);
      plan.certificate.loss_exact = mixed->loss_exact;
      plan.why_not = explain_why_not(problem, asked);
      return plan;
    }
  }
  Plan plan = no_plan(problem, classes, profile, objective);
  plan.why_not = explain_why_not(problem, asked);
  return plan;
}

}  // namespace tessera
