#include "plan/split_search.h"

#include <algorithm>

#include "plan/remainder_bound.h"

namespace tessera {
namespace {

struct Label {
  uint64_t key = 0;  ///< used devices, last class, pending, layers placed: see Keys
  int64_t sum = 0, peak = 0;
  int64_t bound = 0;    ///< of the value of any plan that begins so
  uint32_t parent = 0;  ///< in the labels with one stage less
  OffChain held = 0;    ///< by the last device
};

struct Keys {
  uint64_t layers, classes;

  uint64_t pack(uint32_t used, size_t last, OffChain pending, int placed) const {
    return ((used * classes + last) * 4 + pending) * layers + static_cast<uint64_t>(placed);
  }
  int placed(uint64_t key) const { return static_cast<int>(key % layers); }
  OffChain pending(uint64_t key) const { return static_cast<OffChain>(key / layers % 4); }
  size_t last(uint64_t key) const { return static_cast<size_t>(key / layers / 4 % classes); }
  uint32_t used(uint64_t key) const { return static_cast<uint32_t>(key / layers / 4 / classes); }
};

class Search {
 public:
  Search(const Instance& instance, const SearchLimits& limits)
      : instance_(instance),
        limits_(limits),
        keys_{.layers = static_cast<uint64_t>(instance.layers) + 1,
              .classes = instance.classes.size()},
        remainder_(instance, limits.cap),
        best_value_(limits.value_below) {}

  SearchResult run() {
    begin();
    for (; !open_.empty() && complete_ && !done(); ++stages_) {
      keep_undominated();
      levels_.push_back(std::move(open_));
      open_.clear();
      const std::vector<Label>& level = levels_.back();
      for (size_t i = 0; i < level.size() && complete_ && !done(); ++i)
        if (may_improve(level[i].bound, stages_ + 1)) extend(level[i], static_cast<uint32_t>(i));
    }
    return {.best = std::move(best_), .complete = complete_};
  }

 private:
  bool done() const { return limits_.any && best_; }

  bool may_improve(int64_t bound, int stages) const {
    return bound < best_value_ || (bound == best_value_ && best_ && stages < best_stages_);
  }

  void begin() {
    for (size_t c = 0; c < instance_.classes.size(); ++c)
      for (const Instance::Start& start : instance_.starts(c))
        add_stage({.key = 0, .sum = start.sum}, 0, c, start.held, start.pending, start.peak);
  }

  void extend(const Label& from, uint32_t index) {
    const uint32_t used = keys_.used(from.key);
    const OffChain pending = keys_.pending(from.key);
    for (size_t c = 0; c < instance_.classes.size(); ++c) {
      if (instance_.used.free(used, c) == 0) continue;
      const ClassCosts& costs = instance_.classes[c];
      const size_t last = keys_.last(from.key);
      for (OffChain held = 0; held < 4; ++held) {
        if ((held & ~pending) != 0) continue;
        Label next = from;
        next.sum += costs.link_sum[last] + instance_.held_sum(c, held);
        add_stage(next, index, c, held, pending & ~held, costs.link_peak[last]);
      }
    }
  }

  // All labels that `from` becomes by a further stage on a device of class `c`.
  void add_stage(const Label& from, uint32_t parent, size_t c, OffChain held, OffChain pending,
                 int64_t link_peak) {
    const ClassCosts& costs = instance_.classes[c];
    const uint32_t used = instance_.used.with(keys_.used(from.key), c);
    const auto first = static_cast<size_t>(keys_.placed(from.key));
    const auto layers = static_cast<size_t>(instance_.layers);
    for (size_t end = first + 1; end <= layers; ++end) {
      const int64_t bytes = costs.bytes[end] - costs.bytes[first];
      const int64_t peak = link_peak + costs.peak[end] - costs.peak[first];
      const int64_t sum = from.sum + costs.sum[end] - costs.sum[first];
      if (end == layers) {
        if (bytes + costs.head_bytes <= costs.room[held][1] &&
            peak + costs.head_peak <= limits_.cap)
          finish({.key = keys_.pack(used, c, pending, instance_.layers),
                  .sum = sum + costs.head_sum + costs.tail_sum,
                  .peak = std::max(from.peak, peak + costs.head_peak),
                  .parent = parent,
                  .held = held});
        break;
      }
      if (bytes > largest_room(costs, held) || peak > limits_.cap) break;
      if (bytes > costs.room[held][0]) continue;
      push({.key = keys_.pack(used, c, pending, static_cast<int>(end)),
            .sum = sum,
            .peak = std::max(from.peak, peak),
            .parent = parent,
            .held = held},
           used, static_cast<int>(layers - end));
    }
  }

  static int64_t largest_room(const ClassCosts& costs, OffChain held) {
    return std::max(costs.room[held][0], costs.room[held][1]);
  }

  int64_t value(int64_t sum, int64_t peak) const { return sum + instance_.peak_weight * peak; }

  void push(Label label, uint32_t used, int remaining) {
    const int64_t rest = remainder_.sum(used, remaining);
    if (rest >= kNever) return;
    // Peaks below the floor are as good as the floor: some other stage will reach it.
    label.peak = instance_.peak_weight == 0 ? 0 : std::max(label.peak, limits_.floor);
    label.bound = value(label.sum + rest, label.peak);
    if (!may_improve(label.bound, stages_ + 2)) return;
    open_.push_back(label);
    if (++labels_ > limits_.max_labels) complete_ = false;
  }

  void finish(const Label& label) {
    const auto side = instance_.place_beside(keys_.used(label.key), keys_.pending(label.key));
    if (!side) return;
    const int64_t sum = label.sum + side->sum;
    if (!may_improve(value(sum, label.peak), stages_ + 1)) return;
    best_value_ = value(sum, label.peak);
    best_stages_ = stages_ + 1;
    best_ =
        Split{.side_class = side->class_of, .sum = sum, .peak = label.peak, .value = best_value_};
    trace(label);
  }

  void trace(const Label& last) {
    std::vector<Split::Stage>& stages = best_->stages;
    const Label* label = &last;
    for (size_t level = levels_.size();; --level) {
      const Label* parent = level == 0 ? nullptr : &levels_[level - 1][label->parent];
      stages.push_back({.device_class = keys_.last(label->key),
                        .first = parent == nullptr ? 0 : keys_.placed(parent->key),
                        .end = keys_.placed(label->key),
                        .held = label->held});
      if (parent == nullptr) break;
      label = parent;
    }
    std::reverse(stages.begin(), stages.end());
  }

  void keep_undominated() {
    std::sort(open_.begin(), open_.end(), [](const Label& a, const Label& b) {
      return a.key != b.key ? a.key < b.key : a.sum != b.sum ? a.sum < b.sum : a.peak < b.peak;
    });
    size_t kept = 0;
    for (size_t i = 0; i < open_.size(); ++i) {
      const bool same_place = kept > 0 && open_[kept - 1].key == open_[i].key;
      if (same_place && open_[kept - 1].peak <= open_[i].peak) continue;
      open_[kept++] = open_[i];
    }
    open_.resize(kept);
    if (limits_.beam == 0 || kept <= limits_.beam) return;
    complete_ = complete_ && limits_.beam == 0;
    const auto cut = open_.begin() + static_cast<ptrdiff_t>(limits_.beam);
    std::nth_element(open_.begin(), cut, open_.end(), [](const Label& a, const Label& b) {
      return a.bound != b.bound ? a.bound < b.bound : a.key < b.key;
    });
    open_.erase(cut, open_.end());
  }

  const Instance& instance_;
  const SearchLimits& limits_;
  const Keys keys_;
  RemainderBound remainder_;
  std::vector<std::vector<Label>> levels_;  ///< [stages - 1]; parents of the next
  std::vector<Label> open_;
  int stages_ = 0;  ///< of the labels in levels_
  size_t labels_ = 0;
  bool complete_ = true;
  int64_t best_value_;
  int best_stages_ = 0;
  std::optional<Split> best_;
};

}  // namespace

SearchResult search_splits(const Instance& instance, const SearchLimits& limits) {
  return Search(instance, limits).run();
}

}  // namespace tessera
