#pragma once

#include <string>
#include <vector>

#include "plan/problem.h"
#include "tessera/plan.h"

namespace tessera {

/// Every claim of a plan that does not hold, a line each; empty: the plan is what it says.
/// Shares with the planner the costs of a unit, of a link and of an allocation, and nothing of its
/// search. Checked, in this order:
///   structure    every unit placed once, runs of layers in order, devices used once, precisions
///                that the problem allows
///   figures      bytes by kind, budgets, room of the KV cache, times, the prediction, the loss
///   certificate  value_ns and bottleneck_ns from the plan's own layout; the bounds are below them
///   optimality   with up to 8 devices, by certificate_replay.h, for the plan's precisions: the
///                slowest stage (throughput), optimum_ns, kv_blocks, and value_ns as the least with
///                that room; that the precision asked for does not fit where a lower one was
///                taken, and that no choice of precisions has less loss (loss_replay.h); that
///                nothing fits where the plan says so. With more devices, or where the least loss
///                takes more than a second, one line says that this was left out.
/// Not replayed: that no other choice of precisions has the same loss and a lower value; what the
/// certificate itself calls not exact; the hints of `why_not`.
/// Throws Error when the problem makes no sense (validate_problem).
std::vector<std::string> check_plan(const PlanProblem& problem, const Plan& plan);

}  // namespace tessera
