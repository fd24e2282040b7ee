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

/// The planner's question for these options: workload, precisions and sizes filled in.
PlanProblem planning_problem(const ModelSpec& model, const EngineOptions& options,
                             std::vector<PlanDevice> devices, PlanLinks links);

/// plan_model, whose memory may run out.
Plan find_plan(const EngineOptions& options);

/// The plan's units on open devices.
Placement place(const Plan& plan, const DeviceSet& devices);

}  // namespace tessera
