#pragma once

#include "plan/findings.h"
#include "plan/problem.h"
#include "tessera/plan.h"

namespace tessera {

/// Holds what a plan places against the problem, whatever the rates are: every unit placed once,
/// runs of layers in order, devices that there are and each used once, precisions that the problem
/// allows, bytes by kind as `kv_blocks` KV blocks need them and inside the budgets. What is wrong
/// goes to `findings`; a plan without findings is safe to be laid out. Reads no time and no claim
/// of optimality.
void check_layout(const PlanProblem& problem, const Plan& plan, int64_t kv_blocks,
                  Findings& findings);

/// Bytes of one of the plan's stages or side devices, by kind, with room for `kv_blocks`. Its
/// layers and device must be the problem's.
StageBytes stage_bytes(const PlanProblem& problem, const Plan& plan, const PlanStage& stage,
                       int64_t kv_blocks);

}  // namespace tessera
