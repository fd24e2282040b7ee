#pragma once

#include "plan/problem.h"

namespace tessera {

/// The best plan for the objective; the only entry to the search. Deterministic: the same problem
/// gives the same plan. When nothing fits, plan.fits is false and plan.why_not says what would.
///
/// Precisions: all units at the model's own when that fits. Else, and when problem.precisions
/// allows more than one, the least total loss that fits comes first and the objective second;
/// plan.why_not then says why. A single allowed precision is used as it is.
///
/// Throws Error when the problem makes no sense (validate_problem) or has too many different
/// devices. Any thread; needs no locks; up to about 100 MB for 16 different devices.
Plan make_plan(const PlanProblem& problem, Objective objective);

}  // namespace tessera
