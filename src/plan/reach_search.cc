#include "plan/reach_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

namespace tessera {
namespace {

// Bits 0 to layers, as 64-bit words.
using Prefixes = std::span<uint64_t>;

bool has(std::span<const uint64_t> set, size_t j) {
  return (set[j / 64] >> (j % 64) & 1) != 0;
}

// Sets bits [from, to].
void fill(Prefixes set, size_t from, size_t to) {
  for (size_t word = from / 64; word <= to / 64; ++word) {
    uint64_t mask = ~uint64_t{0};
    if (word == from / 64) mask &= ~uint64_t{0} << (from % 64);
    if (word == to / 64) mask &= ~uint64_t{0} >> (63 - to % 64);
    set[word] |= mask;
  }
}

class ReachSearch {
 public:
  ReachSearch(const Instance& instance, int64_t cap)
      : instance_(instance),
        cap_(cap),
        classes_(instance.classes.size()),
        layers_(static_cast<size_t>(instance.layers)),
        words_(layers_ / 64 + 1),
        lasts_(cap < kNever ? classes_ : 1),
        kinds_((instance.has_vision ? 2U : 1U) * (instance.host_embedding ? 1U : 2U)) {
    // Pending sets that occur, packed: vision in bit 0 if there is one, then the embedding.
    for (OffChain pending = 0; pending < 4; ++pending) {
      const bool occurs = ((pending & kVision) == 0 || instance.has_vision) &&
                          ((pending & kEmbedding) == 0 || !instance.host_embedding);
      if (occurs) pendings_[pending_count_++] = pending;
    }
    sets_.resize(size_t{instance.used.states()} * lasts_ * kinds_ * words_);
    for (size_t c = 0; c < classes_; ++c) longest_.push_back(instance.longest_run(c, cap));
  }

  std::optional<Split> run() {
    if (free_length(0) < instance_.layers) return std::nullopt;
    for (uint32_t used = 1; used < instance_.used.states(); ++used) {
      // The free devices hold at most so many: shorter prefixes lead nowhere.
      const int shortest = std::max(0, instance_.layers - free_length(used));
      for (size_t c = 0; c < classes_; ++c)
        if (instance_.used.count(used, c) > 0) reach(used, c, static_cast<size_t>(shortest));
      if (auto split = finished(used)) return split;
    }
    return std::nullopt;
  }

 private:
  // One way into a stage: what came before, and what the device then holds.
  struct Entry {
    uint32_t before = 0;
    size_t last = 0;
    OffChain pending_before = 0, held = 0;
    int64_t link_peak = 0;
    bool first = false;
  };

  int free_length(uint32_t used) const {
    int64_t length = 0;
    for (size_t c = 0; c < classes_; ++c)
      length += int64_t{instance_.used.free(used, c)} * longest_[c];
    return static_cast<int>(std::min<int64_t>(length, instance_.layers));
  }

  size_t kind_of(OffChain pending) const {
    return static_cast<size_t>(
        std::find(pendings_.begin(), pendings_.begin() + pending_count_, pending) -
        pendings_.begin());
  }

  Prefixes set_of(uint32_t used, size_t c, OffChain pending) {
    const size_t last = lasts_ == 1 ? 0 : c;
    return Prefixes(sets_).subspan(((used * lasts_ + last) * kinds_ + kind_of(pending)) * words_,
                                   words_);
  }

  // Calls visit(entry) for each way to a stage on class c that leaves `pending` to be held.
  template <typename Visit>
  void entries(uint32_t used, size_t c, OffChain pending, const Visit& visit) {
    const uint32_t before = instance_.used.without(used, c);
    if (before == 0) {
      for (const Instance::Start& start : instance_.starts(c))
        if (start.pending == pending)
          visit(Entry{.held = start.held, .link_peak = start.peak, .first = true});
      return;
    }
    for (int k = 0; k < pending_count_; ++k) {
      const OffChain pending_before = pendings_[static_cast<size_t>(k)];
      if ((pending & ~pending_before) != 0) continue;
      for (size_t last = 0; last < lasts_; ++last)
        if (lasts_ == 1 || instance_.used.count(before, last) > 0)
          visit(Entry{.before = before,
                      .last = last,
                      .pending_before = pending_before,
                      .held = pending_before & ~pending,
                      .link_peak = instance_.classes[c].link_peak[last]});
    }
  }

  bool reaches(const Entry& entry, size_t j) {
    return entry.first ? j == 0 : has(set_of(entry.before, entry.last, entry.pending_before), j);
  }

  bool fits(const Entry& entry, size_t c, size_t first, size_t end) const {
    const ClassCosts& costs = instance_.classes[c];
    const bool head = end == layers_;
    const int64_t bytes = costs.bytes[end] - costs.bytes[first] + (head ? costs.head_bytes : 0);
    const int64_t peak =
        entry.link_peak + costs.peak[end] - costs.peak[first] + (head ? costs.head_peak : 0);
    return bytes <= costs.room[entry.held][head ? 1 : 0] && peak <= cap_;
  }

  void reach(uint32_t used, size_t c, size_t shortest) {
    for (int k = 0; k < pending_count_; ++k) {
      const OffChain pending = pendings_[static_cast<size_t>(k)];
      const Prefixes to = set_of(used, c, pending);
      entries(used, c, pending, [&](const Entry& entry) { extend(entry, c, to); });
      for (size_t word = 0; word < shortest / 64; ++word) to[word] = 0;
      to[shortest / 64] &= ~uint64_t{0} << (shortest % 64);
    }
  }

  void extend(const Entry& entry, size_t c, Prefixes to) {
    size_t end = 0;  // the furthest end so far: it only moves on as the first layer does
    const auto from = [&](size_t first) {
      end = std::max(end, first);
      while (end + 1 < layers_ && fits(entry, c, first, end + 1)) ++end;
      if (end > first) fill(to, first + 1, end);
      if (fits(entry, c, first, layers_)) fill(to, layers_, layers_);
    };
    if (entry.first) return from(0);
    const Prefixes before = set_of(entry.before, entry.last, entry.pending_before);
    for (size_t word = 0; word < words_; ++word)
      for (uint64_t bits = before[word]; bits != 0; bits &= bits - 1) {
        const size_t first = word * 64 + static_cast<size_t>(std::countr_zero(bits));
        if (first < layers_) from(first);
      }
  }

  std::optional<Split> finished(uint32_t used) {
    for (int k = 0; k < pending_count_; ++k) {
      const OffChain pending = pendings_[static_cast<size_t>(k)];
      for (size_t last = 0; last < lasts_; ++last) {
        if (lasts_ > 1 && instance_.used.count(used, last) == 0) continue;
        if (!has(set_of(used, last, pending), layers_)) continue;
        const auto side = instance_.place_beside(used, pending);
        if (side) return trace(used, last, pending, side->class_of);
      }
    }
    return std::nullopt;
  }

  Split trace(uint32_t used, size_t last, OffChain pending, std::array<int, 2> side_class) {
    Split split = {.side_class = side_class};
    for (size_t end = layers_; end > 0;) {
      Entry way;
      size_t first = end, device_class = last;
      for (size_t c = 0; c < classes_ && first == end; ++c) {
        if (lasts_ > 1 ? c != last : instance_.used.count(used, c) == 0) continue;
        device_class = c;
        entries(used, c, pending, [&](const Entry& entry) {
          for (size_t j = 0; j < end && first == end; ++j)
            if (reaches(entry, j) && fits(entry, c, j, end)) {
              way = entry;
              first = j;
            }
        });
      }
      split.stages.push_back({.device_class = device_class,
                              .first = static_cast<int>(first),
                              .end = static_cast<int>(end),
                              .held = way.held});
      used = way.before;
      last = way.last;
      pending = way.pending_before;
      end = first;
    }
    std::reverse(split.stages.begin(), split.stages.end());
    return split;
  }

  const Instance& instance_;
  const int64_t cap_;
  const size_t classes_, layers_, words_;
  const size_t
      lasts_;  ///< last devices told apart; 1: without a cap no link matters, nor who sends
  const size_t kinds_;
  std::array<OffChain, 4> pendings_ = {};
  int pending_count_ = 0;
  std::vector<int> longest_;
  std::vector<uint64_t> sets_;
};

}  // namespace

std::optional<Split> find_split(const Instance& instance, int64_t cap) {
  return ReachSearch(instance, cap).run();
}

}  // namespace tessera
