#include "plan/minimise.h"

#include <algorithm>

#include "plan/reach_search.h"
#include "plan/remainder_bound.h"

namespace tessera {
namespace {

// Labels kept a stage by the search that comes first. Wider where the exact search that follows is
// dear: there each per mille nearer to the optimum saves it many labels.
size_t beam_of(const Instance& instance) {
  return instance.used.states() > 1024 ? 1024 : 64;
}

// Peaks of interest, cut into slices (floor, cap]. A plan whose largest peak is m costs at least
// sum_bound(m) + weight * m, and sum_bound falls as m grows.
struct Slice {
  int64_t floor = 0, cap = 0, bound = 0;
};

std::vector<Slice> slices_of(const Instance& instance, int64_t floor, int64_t cap,
                             int64_t value_below) {
  const auto bound = [&](const Slice& slice) {
    const int64_t sum = RemainderBound(instance, slice.cap).total();
    return sum >= kNever ? kNever : sum + instance.peak_weight * slice.floor;
  };
  std::vector<Slice> slices = {{.floor = floor, .cap = cap}};
  if (instance.peak_weight != 0) {
    // Beyond this peak the weight alone costs more than the best known plan.
    const int64_t least_sum = RemainderBound(instance, cap).total();
    if (least_sum >= value_below) return {};
    slices[0].cap = std::min(cap, (value_below - least_sum) / instance.peak_weight);
    // Where few devices differ one slice is quickest; else 5 % each.
    if (instance.used.states() > 64)
      for (int64_t width = floor / 20; width > 0 && slices.back().floor + width < slices.back().cap;
           width = slices.back().floor / 20) {
        const int64_t cut = slices.back().floor + width;
        slices.push_back({.floor = cut + 1, .cap = slices.back().cap});
        slices[slices.size() - 2].cap = cut;
      }
  }
  for (Slice& slice : slices) slice.bound = bound(slice);
  std::stable_sort(slices.begin(), slices.end(),
                   [](const Slice& a, const Slice& b) { return a.bound < b.bound; });
  return slices;
}

}  // namespace

Minimum minimise(const Instance& instance, int64_t cap, int64_t value_below, bool any) {
  const int64_t floor = peak_floor(instance);
  if (floor > cap) return {};
  SearchLimits limits = {.cap = cap,
                         .floor = floor,
                         .value_below = value_below,
                         .beam = beam_of(instance),
                         .any = any};
  Minimum minimum;
  minimum.best = search_splits(FixedStages(instance), limits).best;
  if (minimum.best && any) return minimum;
  if (minimum.best) limits.value_below = minimum.best->value;

  limits.beam = 0;
  minimum.lower_bound = limits.value_below;
  for (const Slice& slice : slices_of(instance, floor, cap, limits.value_below)) {
    if (slice.bound >= limits.value_below) break;
    limits.floor = slice.floor;
    limits.cap = slice.cap;
    const SearchResult result = search_splits(FixedStages(instance), limits);
    if (result.best) {
      minimum.best = result.best;
      limits.value_below = result.best->value;
    }
    if (!result.complete) {
      minimum.complete = false;
      minimum.lower_bound = std::min(minimum.lower_bound, slice.bound);
    }
    if (any && minimum.best) return minimum;
  }
  minimum.lower_bound = std::min(minimum.lower_bound, limits.value_below);
  return minimum;
}

std::optional<Split> minimise_peak(const Instance& instance) {
  int64_t low = peak_floor(instance);  // the answer is at or above
  std::optional<Split> best = find_split(instance, low);
  if (best) {
    evaluate(instance, *best);
    return best;
  }
  ++low;
  best = search_splits(FixedStages(instance), {.floor = low, .beam = beam_of(instance)}).best;
  if (!best) best = find_split(instance, kNever);
  if (!best) return std::nullopt;
  evaluate(instance, *best);
  // The beam's plan is often the best: ask that first, then halve what is left.
  for (bool first = true; low < best->peak; first = false) {
    const int64_t middle = first ? best->peak - 1 : low + (best->peak - 1 - low) / 2;
    std::optional<Split> split = find_split(instance, middle);
    if (split) {
      evaluate(instance, *split);
      best = split;
    } else {
      low = middle + 1;
    }
  }
  return best;
}

void evaluate(const Instance& instance, Split& split) {
  split.sum = split.peak = 0;
  for (size_t s = 0; s < split.stages.size(); ++s) {
    const Split::Stage& stage = split.stages[s];
    const ClassCosts& costs = instance.classes[stage.device_class];
    const auto first = static_cast<size_t>(stage.first), end = static_cast<size_t>(stage.end);
    int64_t peak = costs.peak[end] - costs.peak[first];
    split.sum += costs.sum[end] - costs.sum[first];
    if (s == 0) {
      const bool embedding_here = (stage.held & kEmbedding) != 0;
      if (!embedding_here) {
        split.sum += costs.input_sum;
        peak += costs.input_peak;
      }
      if (instance.has_vision)
        split.sum += (stage.held & kVision) != 0 ? costs.vision_first_sum : costs.vision_in_sum;
    } else {
      split.sum += costs.link_sum[split.stages[s - 1].device_class] +
                   instance.held_sum(stage.device_class, stage.held);
      peak += costs.link_peak[split.stages[s - 1].device_class];
    }
    if (s + 1 == split.stages.size()) {
      split.sum += costs.head_sum + costs.tail_sum;
      peak += costs.head_peak;
    }
    split.peak = std::max(split.peak, peak);
  }
  for (const OffChain unit : {kVision, kEmbedding})
    if (const int c = split.side_class[unit - 1]; c >= 0)
      split.sum += instance.held_sum(static_cast<size_t>(c), unit);
  split.value = split.sum + instance.peak_weight * split.peak;
}

}  // namespace tessera
