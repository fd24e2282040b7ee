#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "plan/problem.h"

/// The checker's own optimum: a plain dynamic programme over sets of devices, without the bounds,
/// classes and labels of the planner's search, with which it shares the cost of a unit, of a link
/// and of an allocation only.

namespace tessera {

inline constexpr int64_t kNoSplit = std::numeric_limits<int64_t>::max();
inline constexpr int kOnHost = -1;

/// How often a plan pays for each thing. Times are paid for in a sum; `peak` times the largest
/// stage is added to it.
struct CostWeights {
  int64_t decode = 0;    ///< decode steps of all layers and links
  int64_t chunk = 0;     ///< prefill chunks of all layers and links
  int64_t head = 0;      ///< passes of the head, each with a token's way back to the host
  int64_t pictures = 0;  ///< passes of the vision tower
  int64_t peak = 0;
  bool peak_is_decode = false;  ///< a stage's decode step, with its link and the head; else a chunk
};

CostWeights answer_weights(const Workload& workload);  ///< latency and context
CostWeights step_weights();                            ///< throughput

/// What is paid for on which device, for one precision of each layer and of the head.
struct SplitCosts {
  SplitCosts(const PlanProblem& problem, const std::vector<Precision>& layers, Precision head,
             const CostWeights& weights, int64_t micro_batch);

  CostWeights weights;
  std::vector<std::vector<int64_t>> sum, peak;            ///< [device][layers before]
  std::vector<int64_t> end_sum, end_peak;                 ///< [device] holds the head
  std::vector<std::vector<int64_t>> link_sum, link_peak;  ///< [from][to]
  std::vector<int64_t> in_sum, in_peak;                   ///< [device] rows of text from the host
  std::vector<int64_t> back_sum;                          ///< [device] ... and to it
  std::vector<int64_t> tower_sum, picture_in_sum, picture_back_sum;  ///< [device] of all pictures

  /// What the first stage, on `device`, pays before its layers.
  int64_t start_sum(int device, int vision, int embedding) const;
  int64_t start_peak(int device, int embedding) const;
};

/// Where the units are; a stage's layers end before `ends`.
struct Layout {
  std::vector<int> devices, ends;  ///< a stage each
  int vision = kOnHost;            ///< kOnHost: there is none
  int embedding = kOnHost;
};

struct LayoutCost {
  int64_t sum = 0, peak = 0;
};
LayoutCost cost_of(const SplitCosts& costs, const Layout& layout);

/// The least sum + weights.peak x (largest peak) of all layouts with room for `kv_blocks` and no
/// peak above `cap`; kNoSplit when none is below `below`. At most 20 devices.
int64_t least_value(const PlanProblem& problem, const std::vector<Precision>& layers,
                    Precision head, const SplitCosts& costs, int64_t kv_blocks,
                    int64_t cap = kNoSplit, int64_t below = kNoSplit);

}  // namespace tessera
