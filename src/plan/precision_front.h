#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "tessera/precision.h"

/// The knapsack behind a stage of mixed precisions: which bytes, losses and times the layers of a
/// run can have, by choosing a precision for each.

namespace tessera {

/// One precision of one unit on one device class.
struct PrecisionOption {
  Precision precision = Precision::kBF16;
  int64_t bytes = 0, loss = 0, sum = 0, peak = 0;

  bool operator==(const PrecisionOption&) const = default;
};

/// A choice for the layers so far.
struct PrecisionLabel {
  int64_t bytes = 0, loss = 0, sum = 0, peak = 0;
  uint32_t parent = 0;  ///< among the labels of one layer less
  uint16_t option = 0;
};

/// The choices that none beats, sorted by bytes. The loss falls as bytes grow, except among labels
/// of one loss, which stand together: of these there are those that no other beats in bytes, sum
/// and peak.
using PrecisionFront = std::vector<PrecisionLabel>;

/// The front of one more layer, with at most `room` bytes in all. `{{}}` is the front of no layers.
PrecisionFront next_front(const PrecisionFront& front, const std::vector<PrecisionOption>& options,
                          int64_t room);

/// The fronts of runs of layers on one device class, as a tree over the kinds of their layers: runs
/// of equal layers share theirs, wherever they stand, and a model's layers are nearly all equal.
class FrontTree {
 public:
  /// `options[u]` are layer u's; `room` bytes hold a run at most.
  FrontTree(std::vector<std::vector<PrecisionOption>> options, int64_t room);

  /// visit(end, front) for the runs [first, end) in order of their ends, as long as any fit.
  template <typename Visit>
  void walk(int first, const Visit& visit) {
    size_t node = begin_walk();
    for (auto end = static_cast<size_t>(first) + 1; end <= kinds_.size(); ++end) {
      node = step(node, kinds_[end - 1]);
      if (nodes_[node].front.empty()) return;
      visit(static_cast<int>(end), nodes_[node].front);
    }
  }

 private:
  struct Node {
    PrecisionFront front;
    std::map<size_t, size_t> next;  ///< by the kind of the layer after
  };

  size_t begin_walk();
  size_t step(size_t node, size_t kind);

  const int64_t room_;
  std::vector<std::vector<PrecisionOption>> options_;  ///< by kind
  std::vector<size_t> kinds_;                          ///< by layer
  std::deque<Node> nodes_;                             ///< the root first
  size_t labels_ = 0;                                  ///< in all nodes
};

}  // namespace tessera
