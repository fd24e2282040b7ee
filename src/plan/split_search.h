#pragma once

#include <cstdint>
#include <optional>

#include "plan/instance.h"
#include "plan/stage_source.h"

namespace tessera {

struct SearchLimits {
  int64_t cap = kNever;          ///< of each peak
  int64_t floor = 0;             ///< the caller knows: no plan of interest has a largest peak below
  int64_t loss_at_most = 0;      ///< only plans with less loss are of interest, or with this loss
  int64_t value_below = kNever;  ///< and a smaller value
  size_t beam = 0;               ///< keep this many labels a number of stages; 0: all, exact
  bool any = false;              ///< the first plan of interest will do
  size_t max_labels = 30'000'000;  ///< looked at; then give up: `complete` is false
};

struct SearchResult {
  std::optional<Split> best;  ///< fewest stages among equal values
  bool complete = true;       ///< nothing within the limits is better than `best`
};

/// The split with the least loss, and of these the smallest value, by label setting: a label is
/// (used devices, last device, layers placed, what is still to be held) with a loss, a sum and a
/// peak; labels with more loss than another, or that it beats in sum and peak, are dropped, as are
/// those whose bound is not below the best found. Sets of used devices, not only the furthest layer
/// reached, because with unequal links a device that holds one layer can be a relay that makes the
/// next hop cheaper. A stage is never empty. Complexity: O(2^K K^2 L^2 / 2) labels at worst for K
/// different devices and L layers; the bound leaves a small part of them.
SearchResult search_splits(const StageSource& stages, const SearchLimits& limits);

}  // namespace tessera
