#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/device_class.h"
#include "plan/instance.h"

namespace tessera {

/// The best split for one precision profile.
struct Optimum {
  Split split = {};
  int64_t optimum_ns = 0;     ///< the objective's minimum; split.value is at most 1 % above it
  int64_t bottleneck_ns = 0;  ///< throughput: the minimum of the slowest stage
  int64_t kv_blocks = 0;      ///< the most that leave the value within 1 % of the optimum
  bool exact = true, room_exact = true;
};

/// One hundredth more: what the planner gives up of one aim for the next.
constexpr int64_t with_slack(int64_t value) {
  return value + value / 100;
}

/// Empty when nothing fits. Objectives one after the other:
///   latency     the time of an answer; within 1 % of it the most KV room
///   throughput  the slowest stage; within 1 % of it the sum of a step; within 1 % the most KV room
///   context     the most KV room; then the time of an answer
/// `kv_blocks` is the least room. With more than about eight different devices the room is not
/// searched for (room_exact = false), except for the objective context.
std::optional<Optimum> optimise(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                                const Profile& profile, int64_t kv_blocks, Objective objective);

/// The most KV blocks with which the profile fits; 0 when it does not fit with one.
int64_t largest_kv_blocks(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                          const Profile& profile);

}  // namespace tessera
