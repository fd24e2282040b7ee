#include "text/bpe_merges.h"

#include <algorithm>

namespace tessera {

BpeMerges::BpeMerges(std::span<const Merge> merges, size_t vocab) : first_(vocab + 1, 0) {
  // A counting sort by the left token; within one, by the right and then by rank.
  for (const Merge& merge : merges) ++first_[static_cast<size_t>(merge.left) + 1];
  for (size_t left = 0; left < vocab; ++left) first_[left + 1] += first_[left];
  entries_.resize(merges.size());
  std::vector<int32_t> next(first_.begin(), first_.end() - 1);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    const auto at = static_cast<size_t>(next[static_cast<size_t>(merge.left)]++);
    entries_[at] = {merge.right, static_cast<int32_t>(rank), merge.merged};
  }
  for (size_t left = 0; left < vocab; ++left)
    std::sort(entries_.begin() + first_[left], entries_.begin() + first_[left + 1],
              [](const Entry& a, const Entry& b) {
                return a.right != b.right ? a.right < b.right : a.rank < b.rank;
              });
}

const BpeMerges::Entry* BpeMerges::find(int32_t left, int32_t right) const {
  const auto begin = entries_.begin() + first_[static_cast<size_t>(left)];
  const auto end = entries_.begin() + first_[static_cast<size_t>(left) + 1];
  const auto after = std::upper_bound(
      begin, end, right, [](int32_t wanted, const Entry& entry) { return wanted < entry.right; });
  return after != begin && (after - 1)->right == right ? &*(after - 1) : nullptr;
}

namespace {

// For the heap functions of the standard library, whose top is the largest.
constexpr auto kWorse = [](const auto& a, const auto& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.place > b.place;
};

}  // namespace

void BpeMerges::push(Scratch& scratch, int32_t place) const {
  const Scratch::Symbol& symbol = scratch.symbols[static_cast<size_t>(place)];
  if (symbol.after < 0) return;
  const Scratch::Symbol& after = scratch.symbols[static_cast<size_t>(symbol.after)];
  const Entry* entry = find(symbol.token, after.token);
  if (entry == nullptr) return;
  scratch.heap.push_back({entry->rank, place, entry->merged});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), kWorse);
}

void BpeMerges::apply(std::vector<int32_t>& word, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  const auto count = static_cast<int32_t>(word.size());
  symbols.resize(word.size());
  for (int32_t i = 0; i < count; ++i)
    symbols[static_cast<size_t>(i)] = {word[static_cast<size_t>(i)], i - 1,
                                       i + 1 < count ? i + 1 : -1, false};
  heap.clear();
  for (int32_t i = 0; i < count; ++i) push(scratch, i);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), kWorse);
    const Scratch::Candidate best = heap.back();
    heap.pop_back();
    Scratch::Symbol& left = symbols[static_cast<size_t>(best.place)];
    if (left.gone || left.after < 0) continue;
    Scratch::Symbol& right = symbols[static_cast<size_t>(left.after)];
    // Stale when a neighbour was merged meanwhile. The library compares what would come out, not
    // the rank: another pair that gives the same token is merged in the stale one's place.
    const Entry* entry = find(left.token, right.token);
    if (entry == nullptr || entry->merged != best.merged) continue;

    left.token = best.merged;
    left.after = right.after;
    right.gone = true;
    if (left.after >= 0) symbols[static_cast<size_t>(left.after)].before = best.place;
    if (left.before >= 0) push(scratch, left.before);
    push(scratch, best.place);
  }

  word.clear();
  for (const Scratch::Symbol& symbol : symbols)
    if (!symbol.gone) word.push_back(symbol.token);
}

}  // namespace tessera
