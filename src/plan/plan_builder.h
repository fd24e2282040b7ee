#pragma once

#include <vector>

#include "plan/instance.h"
#include "plan/problem.h"

namespace tessera {

/// A split written out as a Plan: devices by index, bytes by kind, predicted times. Leaves bound,
/// certificate and why_not to the caller. `kv_blocks` is what the plan allocates.
Plan build_plan(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                const Profile& profile, const Split& split, int64_t kv_blocks, Objective objective);

/// Relaxations, for the same profile.
PlanBound bound_plan(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                     const Profile& profile, int64_t kv_blocks, Objective objective);

}  // namespace tessera
