#pragma once

#include <cstdint>
#include <optional>

#include "plan/instance.h"

namespace tessera {

/// Whether all layers can be placed with every peak at most `cap`, and one way to do so (without
/// values). Reachable-prefix sets: for each set of used devices, last device and what is still to
/// be held, the set of j such that the first j layers can be placed so, as bits. One pass costs
/// O(2^K K^2) set operations for K different devices and is exact.
std::optional<Split> find_split(const Instance& instance, int64_t cap);

}  // namespace tessera
