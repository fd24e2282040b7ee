#pragma once

#include <cstdint>
#include <span>

#include "base/units.h"
#include "plan/problem.h"

/// How many bytes things take on a device. The planner promises these bytes and the runtime
/// allocates them: both call the functions below, so that promised and measured are the same
/// number, not two numbers that agree.

namespace tessera {

/// A page of the KV cache: this many tokens of one layer.
inline constexpr int64_t kKvBlockTokens = 16;

/// Any allocation on a device.
constexpr uint64_t allocated_bytes(uint64_t bytes, uint64_t granule_bytes) {
  return round_up(bytes, granule_bytes);
}

/// The weights of one unit: one allocation.
inline uint64_t unit_weight_bytes(const PlanUnit& unit, Precision precision,
                                  uint64_t granule_bytes) {
  return allocated_bytes(unit.costs.at(precision).weight_bytes, granule_bytes);
}

/// The KV blocks of one layer: one allocation.
inline uint64_t layer_kv_bytes(const PlanUnit& layer, int64_t blocks, uint64_t granule_bytes) {
  const auto tokens = static_cast<uint64_t>(blocks * kKvBlockTokens);
  return allocated_bytes(tokens * layer.kv_bytes_per_token, granule_bytes);
}

/// The activation arena of a device: one allocation.
inline uint64_t device_arena_bytes(const PlanProblem& problem, Holds holds,
                                   uint64_t granule_bytes) {
  return allocated_bytes(problem.arena_bytes[holds.index()], granule_bytes);
}

/// Everything on a device that runs layers `first` to `first + precisions.size() - 1`.
StageBytes device_bytes(const PlanProblem& problem, const PlanDevice& device, Holds holds,
                        int first_layer, std::span<const Precision> precisions,
                        Precision head_precision, int64_t kv_blocks);

}  // namespace tessera
