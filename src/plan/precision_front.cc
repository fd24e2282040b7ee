#include "plan/precision_front.h"

#include <algorithm>
#include <tuple>

namespace tessera {
namespace {

// A tree that has grown beyond this (50 MB) is begun anew: where all layers differ no two runs
// share anything.
constexpr size_t kMaxFrontLabels = 1'000'000;

bool comes_before(const PrecisionLabel& a, const PrecisionLabel& b) {
  return std::tie(a.bytes, a.loss, a.sum, a.peak) < std::tie(b.bytes, b.loss, b.sum, b.peak);
}

}  // namespace

PrecisionFront next_front(const PrecisionFront& front, const std::vector<PrecisionOption>& options,
                          int64_t room) {
  PrecisionFront next;
  next.reserve(front.size() * options.size());
  for (size_t o = 0; o < options.size(); ++o) {
    const auto merged = static_cast<ptrdiff_t>(next.size());
    for (size_t i = 0; i < front.size(); ++i) {
      const PrecisionLabel& from = front[i];
      if (from.bytes + options[o].bytes > room) break;
      next.push_back({.bytes = from.bytes + options[o].bytes,
                      .loss = from.loss + options[o].loss,
                      .sum = from.sum + options[o].sum,
                      .peak = from.peak + options[o].peak,
                      .parent = static_cast<uint32_t>(i),
                      .option = static_cast<uint16_t>(o)});
    }
    // What one option adds leaves the order as it was.
    std::inplace_merge(next.begin(), next.begin() + merged, next.end(), comes_before);
  }
  size_t kept = 0, group = 0;  // labels from `group` on have the least loss so far
  for (const PrecisionLabel& label : next) {
    if (kept > 0 && label.loss > next[group].loss) continue;
    if (kept > 0 && label.loss < next[group].loss) group = kept;
    const bool beaten =
        std::any_of(next.begin() + static_cast<ptrdiff_t>(group),
                    next.begin() + static_cast<ptrdiff_t>(kept), [&](const PrecisionLabel& other) {
                      return other.sum <= label.sum && other.peak <= label.peak;
                    });
    if (!beaten) next[kept++] = label;
  }
  next.resize(kept);
  return next;
}

FrontTree::FrontTree(std::vector<std::vector<PrecisionOption>> options, int64_t room)
    : room_(room) {
  for (std::vector<PrecisionOption>& layer : options) {
    const auto known = std::find(options_.begin(), options_.end(), layer);
    kinds_.push_back(static_cast<size_t>(known - options_.begin()));
    if (known == options_.end()) options_.push_back(std::move(layer));
  }
}

size_t FrontTree::begin_walk() {
  if (nodes_.empty() || labels_ > kMaxFrontLabels) {
    nodes_.clear();
    nodes_.push_back({.front = {{}}, .next = {}});
    labels_ = 1;
  }
  return 0;
}

size_t FrontTree::step(size_t node, size_t kind) {
  const auto [it, fresh] = nodes_[node].next.try_emplace(kind, nodes_.size());
  if (fresh) {
    nodes_.push_back({.front = next_front(nodes_[node].front, options_[kind], room_), .next = {}});
    labels_ += nodes_.back().front.size();
  }
  return it->second;
}

}  // namespace tessera
