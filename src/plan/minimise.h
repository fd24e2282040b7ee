#pragma once

#include "plan/split_search.h"

namespace tessera {

/// The split of least value with peaks up to `cap`: a beam search finds a good one, exact search
/// then proves it or finds a better one, in slices of the largest peak, in each of which the
/// bounds are tight. `best` is empty when nothing is below `value_below`.
/// When `complete` is false, `lower_bound` is below or at the minimum, and `best` above or at it.
struct Minimum {
  std::optional<Split> best = {};
  bool complete = true;
  int64_t lower_bound = 0;
};
Minimum minimise(const Instance& instance, int64_t cap, int64_t value_below = kNever,
                 bool any = false);

/// The least largest peak of an Instance of Goal::kBottleneck, by reachable-prefix sets; empty when
/// nothing fits.
std::optional<Split> minimise_peak(const Instance& instance);

/// Sets sum, peak and value of a split from the instance.
void evaluate(const Instance& instance, Split& split);

}  // namespace tessera
