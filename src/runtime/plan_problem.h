#pragma once

#include "model/model.h"
#include "plan/problem.h"
#include "runtime/placement.h"

namespace tessera {

/// What storing a model at one precision costs, for the formats that Tessera knows.
struct PrecisionFormat {
  double bits_per_weight;  ///< scales and zero points included
  double squared_error;    ///< relative, of Gaussian weights: |W' - W|^2 / |W|^2
};
PrecisionFormat format_of(Precision precision);

/// The model's own precision: what config.json says the weights are stored as.
Precision own_precision(const ModelSpec& model);

/// Translates a model into what the planner knows: bytes as the pipeline will allocate them (the
/// very functions that allocate), FLOPs, KV bytes and predicted losses.
///
///   limits      of the pipeline that the plan is for
///   precisions  that may be used; the first is wanted, lower ones only where memory demands it
///   devices, links, workload   as the planner wants them
PlanProblem make_problem(const ModelSpec& model, const PipelineLimits& limits,
                         std::vector<Precision> precisions, std::vector<PlanDevice> devices,
                         PlanLinks links, const Workload& workload);

/// The sizes a pipeline needs for a workload over at most `devices` stages.
PipelineLimits make_limits(const Workload& workload, int devices, DType weights);

}  // namespace tessera
