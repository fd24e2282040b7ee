#include "plan/remainder_bound.h"

#include <algorithm>
#include <numeric>

namespace tessera {

RemainderBound::RemainderBound(const Instance& instance, int64_t cap)
    : instance_(instance), cheapest_link_(kNever), rows_(instance.used.states()) {
  for (size_t c = 0; c < instance.classes.size(); ++c) {
    const ClassCosts& costs = instance.classes[c];
    longest_.push_back(instance.longest_run(c, cap));
    int64_t cheapest = kNever;
    for (size_t u = 1; u < costs.sum.size(); ++u)
      cheapest = std::min(cheapest, costs.sum[u] - costs.sum[u - 1]);
    cheapest_.push_back(cheapest);
    for (size_t from = 0; from < instance.classes.size(); ++from)
      if (from != c || instance.used.size(c) > 1)
        cheapest_link_ = std::min(cheapest_link_, costs.link_sum[from]);
  }
  by_cost_.resize(instance.classes.size());
  std::iota(by_cost_.begin(), by_cost_.end(), size_t{0});
  by_length_ = by_cost_;
  std::stable_sort(by_cost_.begin(), by_cost_.end(),
                   [&](size_t a, size_t b) { return cheapest_[a] < cheapest_[b]; });
  std::stable_sort(by_length_.begin(), by_length_.end(),
                   [&](size_t a, size_t b) { return longest_[a] > longest_[b]; });
}

int64_t RemainderBound::sum(uint32_t used, int remaining) {
  if (remaining == 0) return 0;
  std::vector<int64_t>& row = rows_[used];
  if (row.empty()) fill_row(used, row);
  return row[static_cast<size_t>(remaining)];
}

void RemainderBound::fill_row(uint32_t used, std::vector<int64_t>& row) const {
  row.assign(static_cast<size_t>(instance_.layers) + 1, kNever);
  int64_t head = kNever;
  for (size_t c = 0; c < instance_.classes.size(); ++c)
    if (instance_.used.free(used, c) > 0)
      head = std::min(head, instance_.classes[c].head_sum + instance_.classes[c].tail_sum);

  const auto end = row.size();
  size_t m = 0;
  int64_t layers_sum = 0;
  row[0] = 0;
  for (const size_t c : by_cost_)
    for (int n = instance_.used.free(used, c) * longest_[c]; n > 0 && m + 1 < end; --n)
      row[++m] = layers_sum += cheapest_[c];

  // At least as many further links as devices are needed when each takes its longest run.
  const bool into_first = used == 0;  // the first device is not reached over one of these links
  size_t reached = 0;
  int64_t links = into_first ? -1 : 0;
  for (const size_t c : by_length_)
    for (int n = instance_.used.free(used, c); n > 0 && longest_[c] > 0; --n) {
      ++links;
      for (int k = 0; k < longest_[c] && reached < m; ++k)
        row[++reached] += head + (links > 0 ? links * cheapest_link_ : 0);
    }
}

int64_t peak_floor(const Instance& instance) {
  const auto holds_all = [&](int64_t cap) {
    int64_t held = 0;
    for (size_t c = 0; c < instance.classes.size(); ++c)
      held += int64_t{instance.used.size(c)} * instance.longest_run(c, cap);
    return held >= instance.layers;
  };
  int64_t high = 0;
  for (const ClassCosts& costs : instance.classes) high = std::max(high, costs.peak.back());
  if (!holds_all(high)) return kNever;
  int64_t low = 0;  // the answer is in [low, high]
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (holds_all(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace tessera
