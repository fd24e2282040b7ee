#pragma once

#include <cstdint>

#include "plan/problem.h"

namespace tessera {

/// The optimum by trying every plan: ordered subsets of the devices, cuts, places of the vision
/// tower and of the embedding, precisions. Written from the definition of the objectives, with no
/// code of the search; shares the costs of a unit and of a link (cost_model.h, memory_model.h).
struct BruteForce {
  bool fits = false;
  int64_t optimum_ns = 0;     ///< of the objective, in Certificate's sense
  int64_t bottleneck_ns = 0;  ///< throughput
  int64_t value_ns = 0;       ///< at the most KV room within 1 %
  int64_t kv_blocks = 0;      ///< that room
  int64_t loss = 0;
};
BruteForce brute_force(const PlanProblem& problem, Objective objective);

}  // namespace tessera
