#include "plan/remainder_bound.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "plan/index.h"

namespace tessera {

RemainderBound::RemainderBound(const Instance& instance, int64_t cap)
    : instance_(instance),
      rows_(size_t{instance.used.states()} * 2),
      free_layers_(instance.used.states(), -1) {
  for (size_t c = 0; c < instance.classes.size(); ++c) {
    const ClassCosts& costs = instance.classes[c];
    longest_.push_back(instance.longest_run(c, cap));
    heads_.push_back(guest_head(c, cap));
    visions_.push_back(guest_vision(c, cap));
    int64_t cheapest = kNever;
    for (size_t u = 1; u < costs.sum.size(); ++u)
      cheapest = std::min(cheapest, costs.sum[u] - costs.sum[u - 1]);
    cheapest_.push_back(cheapest);
    embedding_sum_ = std::min(embedding_sum_, costs.embedding_out_sum);
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

RemainderBound::Guest RemainderBound::guest_head(size_t c, int64_t cap) const {
  const ClassCosts& costs = instance_.classes[c];
  int64_t room = 0;
  for (const auto& [without_head, with_head] : costs.room) room = std::max(room, with_head);
  int run = 0;  // the longest that ends with the head
  for (auto first = static_cast<size_t>(instance_.layers); first-- > 0; ++run)
    if (costs.bytes.back() - costs.bytes[first] + costs.head_bytes > room ||
        costs.peak.back() - costs.peak[first] + costs.head_peak > cap)
      break;
  return {.fits = run > 0,
          .sum = costs.head_sum + costs.tail_sum,
          .displaced = std::max(0, instance_.longest_run(c, cap) - run)};
}

RemainderBound::Guest RemainderBound::guest_vision(size_t c, int64_t cap) const {
  const ClassCosts& costs = instance_.classes[c];
  int64_t room = 0;
  for (const OffChain held : {kVision, kVision | kEmbedding})
    room = std::max({room, costs.room[held][0], costs.room[held][1]});
  const int run = instance_.longest_run(c, cap, room);
  const bool alone = costs.side[kVision];
  return {.fits = run > 0 || alone,
          .sum = costs.vision_out_sum,
          .displaced = std::max(0, instance_.longest_run(c, cap) - run)};
}

int64_t RemainderBound::sum(uint32_t used, int remaining, OffChain pending) {
  const bool vision = (pending & kVision) != 0;
  const int64_t embedding = (pending & kEmbedding) != 0 ? embedding_sum_ : 0;
  std::vector<int64_t>& row = rows_[size_t{used} * 2 + (vision ? 1 : 0)];
  if (row.empty()) fill_row(used, vision, row);
  assert(remaining >= fewest_left(used));
  const int64_t chain = row[static_cast<size_t>(remaining)];
  return chain >= kNever ? kNever : chain + embedding;
}

int64_t RemainderBound::total() {
  int64_t least = kNever;
  for (size_t c = 0; c < instance_.classes.size(); ++c)
    for (const Instance::Start& start : instance_.starts(c)) {
      const int64_t rest = sum(0, instance_.layers, start.pending);
      if (rest < kNever) least = std::min(least, start.sum + rest);
    }
  return least;
}

RemainderBound::Places RemainderBound::places_of(uint32_t used) const {
  Places places = {.prefix = {0}, .begin = std::vector<int>(by_cost_.size())};
  for (const size_t c : by_cost_) {
    places.begin[c] = static_cast<int>(places.prefix.size()) - 1;
    for (int n = instance_.used.free(used, c) * longest_[c]; n > 0; --n)
      places.prefix.push_back(places.prefix.back() + cheapest_[c]);
  }
  return places;
}

// What it adds to the cheapest `m` places when one device of class `c` loses `displaced` of its
// own: the layers there move to the next places at best.
int64_t RemainderBound::displacement(const Places& places, uint32_t used, size_t c, int displaced,
                                     int m) const {
  const int own = instance_.used.free(used, c) * longest_[c];
  const int taken = std::clamp(m - places.begin[c], 0, own);
  const int moved = std::max(0, displaced - (own - taken));
  const int from = std::max(m, std::min(places.begin[c] + own, m + own - taken));
  const size_t end = at(from + moved);
  if (end >= places.prefix.size()) return moved == 0 ? 0 : kNever;
  return std::max<int64_t>(0, places.prefix[end] - places.prefix[at(from)] - moved * cheapest_[c]);
}

std::vector<RemainderBound::Cost> RemainderBound::guest_costs(const std::vector<Guest>& guests,
                                                              const Places& places, uint32_t used,
                                                              int m) const {
  std::vector<Cost> costs(guests.size());
  for (size_t c = 0; c < guests.size(); ++c)
    if (guests[c].fits && instance_.used.free(used, c) > 0)
      costs[c] = {.sum = guests[c].sum,
                  .displacement = displacement(places, used, c, guests[c].displaced, m)};
  return costs;
}

// The least for one guest, or for two. On different devices their displacements add up: what m
// layers cost is supermodular in the places taken away (they are a basis of a uniform matroid). On
// one device they need not: rounding down to whole layers may make room for both at once.
int64_t RemainderBound::least(const std::vector<Cost>& heads, const std::vector<Cost>* visions) {
  int64_t best = kNever, second = kNever;  // heads
  size_t best_class = 0;
  for (size_t c = 0; c < heads.size(); ++c) {
    const int64_t sum = heads[c].total();
    if (sum < best) {
      second = best;
      best = sum;
      best_class = c;
    } else {
      second = std::min(second, sum);
    }
  }
  if (visions == nullptr) return best;
  int64_t pair = kNever;
  for (size_t c = 0; c < heads.size(); ++c) {
    const Cost& vision = (*visions)[c];
    if (vision.total() >= kNever) continue;
    pair = std::min(pair, vision.total() + (c == best_class ? second : best));
    if (heads[c].total() < kNever)
      pair = std::min(
          pair, vision.sum + heads[c].sum + std::max(vision.displacement, heads[c].displacement));
  }
  return pair;
}

int RemainderBound::free_layers(uint32_t used) {
  int& layers = free_layers_[used];
  if (layers < 0) {
    int64_t sum = 0;
    for (size_t c = 0; c < longest_.size(); ++c)
      sum += int64_t{instance_.used.free(used, c)} * longest_[c];
    layers = static_cast<int>(std::min<int64_t>(sum, instance_.layers));
  }
  return layers;
}

// With all devices of `used` as full as can be, this many layers are left; never none.
int RemainderBound::fewest_left(uint32_t used) const {
  int64_t placed = 0;
  for (size_t c = 0; c < longest_.size(); ++c)
    placed += int64_t{instance_.used.count(used, c)} * longest_[c];
  return static_cast<int>(std::max<int64_t>(1, instance_.layers - placed));
}

// Where memory is scarce few numbers of layers can be left: the others are not worked out.
void RemainderBound::fill_row(uint32_t used, bool vision, std::vector<int64_t>& row) const {
  const Places places = places_of(used);
  row.assign(static_cast<size_t>(instance_.layers) + 1, kNever);
  for (auto m = static_cast<size_t>(fewest_left(used)); m < row.size() && m < places.prefix.size();
       ++m) {
    const auto layers = static_cast<int>(m);
    const std::vector<Cost> visions =
        vision ? guest_costs(visions_, places, used, layers) : std::vector<Cost>();
    const int64_t guests =
        least(guest_costs(heads_, places, used, layers), vision ? &visions : nullptr);
    row[m] = std::min(kNever, places.prefix[m] + guests);
  }
  add_links(used, row);
}

// At least as many further links as devices are needed when each takes its longest run.
void RemainderBound::add_links(uint32_t used, std::vector<int64_t>& row) const {
  size_t reached = 0;
  int64_t links = used == 0 ? -1 : 0;  // the first device is not reached over one of these
  for (const size_t c : by_length_)
    for (int n = instance_.used.free(used, c); n > 0 && longest_[c] > 0; --n) {
      ++links;
      for (int k = 0; k < longest_[c] && reached + 1 < row.size(); ++k)
        if (int64_t& sum = row[++reached]; sum < kNever && links > 0) sum += links * cheapest_link_;
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
