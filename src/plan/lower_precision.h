#pragma once

#include <optional>

#include "plan/optimise.h"

namespace tessera {

/// A split together with the precisions that make it fit.
struct MixedOptimum {
  Optimum optimum = {};
  Profile profile = {};
  bool loss_exact = true;  ///< no plan that fits has less loss
};

/// Over all splits and all precisions that the problem allows, for each layer: the least total
/// loss; of these plans the best for the objective (context: latency). Leaves KV room as asked.
/// Empty when nothing fits.
std::optional<MixedOptimum> optimise_precisions(const PlanProblem& problem,
                                                const std::vector<DeviceClass>& classes,
                                                int64_t kv_blocks, Objective objective);

}  // namespace tessera
