#include "plan/stage_source.h"

#include <algorithm>

namespace tessera {

void FixedStages::runs(size_t c, OffChain held, int first, int end_from, int64_t cap,
                       std::vector<StageRun>& out) const {
  const ClassCosts& costs = instance_.classes[c];
  const auto from = static_cast<size_t>(first), layers = static_cast<size_t>(instance_.layers);
  for (auto end = static_cast<size_t>(std::max(end_from, first + 1)); end <= layers; ++end) {
    const int64_t bytes = costs.bytes[end] - costs.bytes[from];
    if (bytes > costs.room[held][0]) return;  // with the head there is no more room
    StageRun run = {.end = static_cast<int>(end),
                    .sum = costs.sum[end] - costs.sum[from],
                    .peak = costs.peak[end] - costs.peak[from]};
    if (end == layers) {
      if (bytes + costs.head_bytes > costs.room[held][1]) return;
      run.sum += costs.head_sum + costs.tail_sum;
      run.peak += costs.head_peak;
    }
    if (run.peak > cap) return;  // and more layers take longer
    out.push_back(run);
  }
}

}  // namespace tessera
