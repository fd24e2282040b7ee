#pragma once

#include <string>

#include "model/model.h"
#include "plan/problem.h"
#include "runtime/device_set.h"
#include "runtime/placement.h"
#include "tessera/engine.h"

namespace tessera {

/// The precision of this name; of "auto" the model's own. Throws UsageError when there is none,
/// Error when no kernel has it.
Precision wanted_precision(const ModelSpec& model, const std::string& name);

/// The options, with what their plan file says where they leave it open: the format of keys and
/// values, and for how many sequences there is room.
EngineOptions with_plans_choices(EngineOptions options);

/// The format of keys and values that the options ask for; "auto" follows the precision. Throws
/// UsageError when there is none of that name.
KvFormat wanted_kv_format(const ModelSpec& model, const EngineOptions& options);

/// The planner's question for these options: workload, precisions and sizes filled in.
PlanProblem planning_problem(const ModelSpec& model, const EngineOptions& options,
                             const DeviceSet& devices);

/// The best plan with room for as many sequences as fit beside the weights, at most those that may
/// run; problem.workload.sequences says afterwards how many that are. Weights are not lowered for
/// the sake of more.
Plan make_roomy_plan(PlanProblem& problem, Objective objective);

/// plan_model, whose memory may run out.
Plan find_plan(const EngineOptions& options);

/// The plan's units on open devices.
Placement place(const Plan& plan, const DeviceSet& devices);

}  // namespace tessera
