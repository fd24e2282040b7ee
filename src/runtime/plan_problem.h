#pragma once

#include <span>

#include "model/model.h"
#include "plan/problem.h"
#include "runtime/placement.h"

namespace tessera {

/// The model's own precision: what config.json says the weights are stored as.
Precision own_precision(const ModelSpec& model);

/// Translates a model into what the planner knows: bytes as the pipeline will allocate them (the
/// very functions that allocate), FLOPs, KV bytes and predicted losses.
///
///   limits    of the pipeline that the plan is for
///   formats   that decoder layers can be stored in, bf16 among them; which of them the search may
///             use is the caller's to set (problem.precisions, here the model's own alone)
///   devices, links, workload   as the planner wants them
PlanProblem make_problem(const ModelSpec& model, const PipelineLimits& limits,
                         std::span<const Precision> formats, std::vector<PlanDevice> devices,
                         PlanLinks links, const Workload& workload);

/// The format of keys and values beside weights of which the widest are `wide`: as wide as those.
KvFormat kv_format_beside(Precision wide);

/// The sizes a pipeline needs for a workload over at most `devices` stages.
PipelineLimits make_limits(const Workload& workload, int devices, Precision wide, KvFormat kv);

}  // namespace tessera
