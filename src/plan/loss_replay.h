#pragma once

#include <cstdint>

#include "plan/problem.h"

/// The checker's own least loss. Where the search solves a knapsack for each run of layers and each
/// device class and joins the runs, this is one dynamic programme over the whole chain: layer by
/// layer, a device is given the next layer at some precision, or closed. It asks no more than
/// whether a loss below the one that is claimed exists: what a fractional relaxation of the rest
/// rules out is dropped, so that next to nothing is left to try beside a plan that is the best.

namespace tessera {

struct LossReplay {
  int64_t below = 0;     ///< a loss that some plan has, below the one asked about; kNoSplit: none
  bool complete = true;  ///< false: given up after that many choices; none was found so far
};

/// Whether some plan with room for `kv_blocks` has a total loss (loss_units) below `claimed`: any
/// order of devices, any cuts, any place of the vision tower and the embedding, any of the
/// problem's precisions for each layer and the head. Tries at most about `most_choices` (some
/// 20 million a second). At most 20 devices.
LossReplay loss_below(const PlanProblem& problem, int64_t kv_blocks, int64_t claimed,
                      int64_t most_choices);

/// At most the loss of any plan with room for `kv_blocks`: that of a fractional knapsack with all
/// memory in one piece; kNoSplit when not even that fits.
int64_t least_loss_bound(const PlanProblem& problem, int64_t kv_blocks);

}  // namespace tessera
