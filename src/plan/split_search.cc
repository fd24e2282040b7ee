#include "plan/split_search.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "plan/remainder_bound.h"

namespace tessera {
namespace {

struct Label {
  uint64_t key = 0;  ///< used devices, last class, pending, layers placed: see Keys
  int64_t loss = 0, sum = 0, peak = 0;
  int64_t bound = 0;       ///< of the value of any plan that begins so
  int64_t loss_bound = 0;  ///< of its loss
  int64_t run_sum = 0, run_peak = 0;
  uint32_t parent = 0;  ///< in the labels with one stage less
  OffChain held = 0;    ///< by the last device
};

// Of two labels with one key, the second is of no use.
bool dominates(const Label& a, const Label& b) {
  return a.loss < b.loss || (a.loss == b.loss && a.sum <= b.sum && a.peak <= b.peak);
}

/// A good label for each key of a level, so that most of what it dominates is never kept: a hash
/// table of indices with open addressing.
class Champions {
 public:
  void clear() {
    slots_.assign(1 << 16, kEmpty);
    used_ = 0;
  }

  /// False when a label of `labels` dominates this one, which would stand at `index`.
  bool admit(const Label& label, const std::vector<Label>& labels) {
    if (used_ > slots_.size() / 2) grow(labels);
    uint32_t& slot = find(label.key, labels);
    if (slot == kEmpty) {
      ++used_;
    } else {
      if (dominates(labels[slot], label)) return false;
      if (!dominates(label, labels[slot])) return true;
    }
    slot = static_cast<uint32_t>(labels.size());
    return true;
  }

 private:
  static constexpr uint32_t kEmpty = UINT32_MAX;

  uint32_t& find(uint64_t key, const std::vector<Label>& labels) {
    const size_t mask = slots_.size() - 1;
    size_t at = key * 0x9E3779B97F4A7C15U >> 32 & mask;  // Knuth's multiplicative hash
    while (slots_[at] != kEmpty && labels[slots_[at]].key != key) at = (at + 1) & mask;
    return slots_[at];
  }

  void grow(const std::vector<Label>& labels) {
    const std::vector<uint32_t> old = std::exchange(slots_, {});
    slots_.assign(old.size() * 2, kEmpty);
    for (const uint32_t index : old)
      if (index != kEmpty) find(labels[index].key, labels) = index;
  }

  std::vector<uint32_t> slots_;
  size_t used_ = 0;
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
  Search(const StageSource& source, const SearchLimits& limits)
      : source_(source),
        instance_(source.frame()),
        limits_(limits),
        keys_{.layers = static_cast<uint64_t>(instance_.layers) + 1,
              .classes = instance_.classes.size()},
        remainder_(instance_, limits.cap),
        best_loss_(limits.loss_at_most),
        best_value_(limits.value_below) {}

  SearchResult run() {
    champions_.clear();
    begin();
    for (; !open_.empty() && complete_ && !done(); ++stages_) {
      keep_undominated();
      levels_.push_back(std::move(open_));
      open_.clear();
      champions_.clear();
      const std::vector<Label>& level = levels_.back();
      for (size_t i = 0; i < level.size() && complete_ && !done(); ++i)
        if (may_improve(level[i].loss_bound, level[i].bound, stages_ + 1))
          extend(level[i], static_cast<uint32_t>(i));
    }
    return {.best = std::move(best_), .complete = complete_ && !cut_};
  }

 private:
  bool done() const { return limits_.any && best_; }

  bool may_improve(int64_t loss, int64_t value, int stages) const {
    if (loss != best_loss_) return loss < best_loss_;
    return value < best_value_ || (value == best_value_ && best_ && stages < best_stages_);
  }

  void begin() {
    for (size_t c = 0; c < instance_.classes.size(); ++c)
      for (const Instance::Start& start : instance_.starts(c))
        add_stage({.sum = start.sum, .held = start.held}, 0, c, start.pending, start.peak);
  }

  void extend(const Label& from, uint32_t index) {
    const uint32_t used = keys_.used(from.key);
    const OffChain pending = keys_.pending(from.key);
    const size_t last = keys_.last(from.key);
    for (size_t c = 0; c < instance_.classes.size(); ++c) {
      if (instance_.used.free(used, c) == 0) continue;
      const ClassCosts& costs = instance_.classes[c];
      for (OffChain held = 0; held < 4; ++held) {
        if ((held & ~pending) != 0) continue;
        Label next = from;
        next.sum += costs.link_sum[last] + instance_.held_sum(c, held);
        next.held = held;
        add_stage(next, index, c, pending & ~held, costs.link_peak[last]);
      }
    }
  }

  // All labels that `from` becomes by a further stage on a device of class `c` that holds
  // `from.held`.
  void add_stage(const Label& from, uint32_t parent, size_t c, OffChain pending,
                 int64_t link_peak) {
    const uint32_t used = instance_.used.with(keys_.used(from.key), c);
    // What is left must fit on the devices that are left.
    const int end_from = instance_.layers - remainder_.free_layers(used);
    runs_.clear();
    source_.runs(c, from.held, keys_.placed(from.key), end_from, limits_.cap - link_peak, runs_);
    for (const StageRun& run : runs_) {
      const Label label = {.key = keys_.pack(used, c, pending, run.end),
                           .loss = from.loss + run.loss,
                           .sum = from.sum + run.sum,
                           .peak = std::max(from.peak, link_peak + run.peak),
                           .run_sum = run.sum,
                           .run_peak = run.peak,
                           .parent = parent,
                           .held = from.held};
      if (run.end == instance_.layers) {
        finish(label);
      } else {
        push(label, used, run.end);
      }
    }
  }

  int64_t value(int64_t sum, int64_t peak) const { return sum + instance_.peak_weight * peak; }

  void push(Label label, uint32_t used, int placed) {
    const int64_t rest = remainder_.sum(used, instance_.layers - placed, keys_.pending(label.key));
    if (rest >= kNever) return;
    // Peaks below the floor are as good as the floor: some other stage will reach it.
    label.peak = instance_.peak_weight == 0 ? 0 : std::max(label.peak, limits_.floor);
    label.bound = value(label.sum + rest, label.peak);
    label.loss_bound = label.loss + source_.loss_bound(used, placed);
    if (!may_improve(label.loss_bound, label.bound, stages_ + 2)) return;
    if (++labels_ > limits_.max_labels) complete_ = false;
    if (champions_.admit(label, open_)) open_.push_back(label);
  }

  void finish(const Label& label) {
    const auto side = instance_.place_beside(keys_.used(label.key), keys_.pending(label.key));
    if (!side) return;
    const int64_t sum = label.sum + side->sum;
    if (!may_improve(label.loss, value(sum, label.peak), stages_ + 1)) return;
    best_loss_ = label.loss;
    best_value_ = value(sum, label.peak);
    best_stages_ = stages_ + 1;
    best_ = Split{.side_class = side->class_of,
                  .sum = sum,
                  .peak = label.peak,
                  .value = best_value_,
                  .loss = best_loss_};
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
                        .held = label->held,
                        .sum = label->run_sum,
                        .peak = label->run_peak});
      if (parent == nullptr) break;
      label = parent;
    }
    std::reverse(stages.begin(), stages.end());
  }

  void keep_undominated() {
    std::sort(open_.begin(), open_.end(), [](const Label& a, const Label& b) {
      return std::tie(a.key, a.loss, a.sum, a.peak) < std::tie(b.key, b.loss, b.sum, b.peak);
    });
    size_t kept = 0;
    for (size_t i = 0; i < open_.size(); ++i) {
      const bool same_place = kept > 0 && open_[kept - 1].key == open_[i].key;
      if (same_place &&
          (open_[kept - 1].loss < open_[i].loss || open_[kept - 1].peak <= open_[i].peak))
        continue;
      open_[kept++] = open_[i];
    }
    open_.resize(kept);
    if (limits_.beam == 0 || kept <= limits_.beam) return;
    cut_ = true;
    const auto cut = open_.begin() + static_cast<ptrdiff_t>(limits_.beam);
    std::nth_element(open_.begin(), cut, open_.end(), [](const Label& a, const Label& b) {
      return std::tie(a.loss_bound, a.bound, a.key) < std::tie(b.loss_bound, b.bound, b.key);
    });
    open_.erase(cut, open_.end());
  }

  const StageSource& source_;
  const Instance& instance_;
  const SearchLimits& limits_;
  const Keys keys_;
  RemainderBound remainder_;
  std::vector<std::vector<Label>> levels_;  ///< [stages - 1]; parents of the next
  std::vector<Label> open_;
  Champions champions_;  ///< of open_
  int stages_ = 0;       ///< of the labels in levels_
  size_t labels_ = 0;
  bool complete_ = true, cut_ = false;
  std::vector<StageRun> runs_;
  int64_t best_loss_, best_value_;
  int best_stages_ = 0;
  std::optional<Split> best_;
};

}  // namespace

SearchResult search_splits(const StageSource& stages, const SearchLimits& limits) {
  return Search(stages, limits).run();
}

}  // namespace tessera
