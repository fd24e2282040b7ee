#pragma once

#include <cstdint>
#include <optional>

#include "plan/instance.h"

namespace tessera {

struct SearchLimits {
  int64_t cap = kNever;          ///< of each peak
  int64_t floor = 0;             ///< the caller knows: no plan of interest has a largest peak below
  int64_t value_below = kNever;  ///< only plans with a smaller value are of interest
  size_t beam = 0;               ///< keep this many labels a number of stages; 0: all, exact
  bool any = false;              ///< the first plan of interest will do
  size_t max_labels = 30'000'000;  ///< then give up: `complete` is false
};

struct SearchResult {
  std::optional<Split> best;  ///< fewest stages among equal values
  bool complete = true;       ///< nothing within the limits is better than `best`
};

/// The split with the smallest value, by label setting: a label is (used devices, last device,
/// layers placed, what is still to be held) with a sum and a peak; labels that another one beats
/// in both are dropped, as are those whose bound is not below the best found. Sets of used devices,
/// not only the furthest layer reached, because with unequal links a device that holds one layer
/// can be a relay that makes the next hop cheaper. A stage is never empty.
/// Complexity: O(2^K K^2 L^2 / 2) labels at worst for K different devices and L layers; the bound
/// leaves a small part of them.
SearchResult search_splits(const Instance& instance, const SearchLimits& limits);

}  // namespace tessera
