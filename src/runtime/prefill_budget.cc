#include "runtime/prefill_budget.h"

#include <algorithm>

namespace tessera {

int64_t prefill_budget(const PrefillLoad& load) {
  constexpr int64_t kSteps = 8, kMostSteps = 32, kLeastRows = 32;
  constexpr double kReserve = 0.05;
  if (!load.decoding) return load.rows;
  const double free = static_cast<double>(load.free_blocks) / static_cast<double>(load.blocks);
  const double share = std::max(free - kReserve, 0.0) / (1 - kReserve);
  const int64_t most = load.waiting_rows / kSteps;
  const int64_t least = std::max(load.waiting_rows / kMostSteps, kLeastRows);
  return std::min({std::max(std::min(most, load.rows_in_time.value_or(most)), least),
                   static_cast<int64_t>(static_cast<double>(load.rows) * share), load.rows / 2});
}

}  // namespace tessera
