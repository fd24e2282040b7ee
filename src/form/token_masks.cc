#include "form/token_masks.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <utility>

#include "form/form_heights.h"
#include "form/form_limits.h"

namespace tessera {
namespace {

constexpr size_t kMostMaskBytes = 64 << 20;  // kept for one form
constexpr int32_t kAnyRoom = 1 << 20;

constexpr uint32_t kEndless = UINT32_MAX;

void set_bits(std::span<uint32_t> bits, std::span<const uint32_t> tokens) {
  for (const uint32_t token : tokens) bits[token / 32] |= uint32_t{1} << (token % 32);
}

}  // namespace

struct TokenMasks::Mask {
  std::vector<uint32_t> bits;
  std::vector<uint32_t> below;  // nodes that the state's own rule has no say in
  int32_t levels = 0;           // that it needs below the place's own

  size_t bytes() const { return (bits.size() + below.size()) * sizeof(uint32_t) + sizeof(Mask); }
};

TokenMasks::TokenMasks(std::shared_ptr<const CompiledForm> form,
                       std::shared_ptr<const FormVocabulary> vocabulary)
    : form_(std::move(form)),
      vocabulary_(std::move(vocabulary)),
      own_heights_(vocabulary_->single_bytes().all()
                       ? std::vector<uint16_t>()
                       : heights_of(form_->automaton, vocabulary_->single_bytes())),
      heights_(own_heights_.empty() ? form_->automaton.heights : own_heights_) {
  if (heights_[form_->automaton.start] == kNoHeight)
    refuse_form("form", "one that the model's tokens of single bytes can write",
                "characters that it has none for");
  find_runs();
}

// A group is part of a state's run when all of its bytes lead to the same state, and the next state
// of the run takes all groups that this one does. In strings and wherever else much may come, this
// spares the walk most of its bytes.
void TokenMasks::find_runs() {
  const Automaton& automaton = form_->automaton;
  std::vector<uint32_t> next(automaton.states(), Automaton::kNone);
  runs_.resize(automaton.states());
  for (uint32_t state = 0; state < automaton.states(); ++state) {
    std::array<uint32_t, 32> targets;
    std::array<int, 32> bytes_to{};  // of the group's target
    targets.fill(0);
    std::bitset<32> mixed;
    for (int byte = 0; byte < 256; ++byte) {
      const uint32_t group = byte_group(static_cast<uint8_t>(byte));
      const uint32_t to = automaton.next[size_t{state} * automaton.kinds + automaton.kind_of[byte]];
      const bool plain = to < Automaton::kCall && heights_[to] == 0 && !automaton.over[to];
      if (!plain || (bytes_to[group] > 0 && targets[group] != to)) mixed.set(group);
      targets[group] = to;
      ++bytes_to[group];
    }
    // Letters decide where the run leads.
    for (const char letter : {'t', 'T', '1'}) {
      const uint32_t group = byte_group(static_cast<uint8_t>(letter));
      if (next[state] == Automaton::kNone && !mixed[group]) next[state] = targets[group];
    }
    if (next[state] == Automaton::kNone) continue;
    for (uint32_t group = 0; group < 32; ++group)
      if (bytes_to[group] > 0 && !mixed[group] && targets[group] == next[state])
        runs_[state].groups |= uint32_t{1} << group;
    runs_[state].bytes = 1;
  }
  lengthen_runs(next);
}

// Along next, from the end of each way back to its beginning.
void TokenMasks::lengthen_runs(const std::vector<uint32_t>& next) {
  std::vector<uint8_t> seen(next.size());  // 1: on the way in hand, 2: done
  std::vector<uint32_t> way;
  for (uint32_t first = 0; first < next.size(); ++first) {
    uint32_t state = first;
    while (runs_[state].bytes > 0 && seen[state] == 0) {
      seen[state] = 1;
      way.push_back(state);
      state = next[state];
    }
    // Back to a state on the way: round and round, with the groups that all of the circle take.
    if (seen[state] == 1) {
      uint32_t groups = ~uint32_t{0};
      for (auto it = std::find(way.begin(), way.end(), state); it != way.end(); ++it)
        groups &= runs_[*it].groups;
      for (auto it = std::find(way.begin(), way.end(), state); it != way.end();) {
        if (runs_[*it].groups == groups) runs_[*it].bytes = kEndless;
        seen[*it] = 2;
        it = way.erase(it);
      }
    }
    for (; !way.empty(); way.pop_back()) {
      Run& run = runs_[way.back()];
      const Run& after = runs_[next[way.back()]];
      seen[way.back()] = 2;
      if ((run.groups & ~after.groups) != 0) continue;
      run.bytes = after.bytes == kEndless ? kEndless : after.bytes + 1;
    }
  }
}

// Walks the part of the tree between two nodes, the first of which is at `place` before its byte,
// and marks the tokens whose bytes can all come. Nodes for which the stack that the walk knows is
// not enough go to `below`.
void TokenMasks::mark(FormWalk& walk, const FormPlace& place, uint32_t first, uint32_t last,
                      std::span<uint32_t> bits, std::vector<uint32_t>* below) const {
  const auto nodes = vocabulary_->nodes();
  if (first >= last) return;
  const size_t base = nodes[first].depth - 1U;
  std::vector<FormPlace> places = {place};  // by depth
  for (uint32_t index = first; index < last;) {
    const FormVocabulary::Node& node = nodes[index];
    const size_t depth = node.depth - base;
    if (places.size() <= depth) places.resize(depth + 16);
    const Run& run = runs_[places[depth - 1].state];
    if ((node.groups & ~run.groups) == 0 && node.height <= run.bytes) {
      set_bits(bits, vocabulary_->tokens_under(index));
      index = node.subtree_end;
      continue;
    }
    FormPlace& here = places[depth] = places[depth - 1];
    const FormWalk::Step step = walk.step(here, node.byte);
    if (step == FormWalk::Step::kLives) {
      set_bits(bits, vocabulary_->tokens_at(index));
      ++index;
    } else {
      if (step == FormWalk::Step::kBelow && below != nullptr) below->push_back(index);
      index = node.subtree_end;
    }
  }
}

void TokenMasks::write(FormWalk& walk, const FormPlace& place, std::span<uint32_t> bits) const {
  const auto mask = mask_of(place.state, kMaxFormLevels - place.level);
  std::copy(mask->bits.begin(), mask->bits.end(), bits.begin());
  if (mask->below.empty() || place.frame == FormWalk::kBottom) return;
  FormPlace outer = place;
  walk.pop(outer);
  const auto nodes = vocabulary_->nodes();
  for (const uint32_t node : mask->below)
    mark(walk, outer, node, nodes[node].subtree_end, bits, nullptr);
}

std::shared_ptr<const TokenMasks::Mask> TokenMasks::mask_of(uint32_t state, int32_t room) const {
  const auto key = [state](int32_t levels) {
    return uint64_t{state} << 32 | static_cast<uint32_t>(levels);
  };
  {
    const std::lock_guard lock(mutex_);
    // Where there is more room than the state can use, how much there is does not matter.
    auto it = masks_.find(key(kAnyRoom));
    if (it != masks_.end() && it->second->levels <= room) return it->second;
    it = masks_.find(key(room));
    if (it != masks_.end()) return it->second;
  }
  auto mask = std::make_shared<const Mask>(make_mask(state, kAnyRoom));
  int32_t kept_for = kAnyRoom;
  if (mask->levels > room) {
    mask = std::make_shared<const Mask>(make_mask(state, room));
    kept_for = room;
  }
  const std::lock_guard lock(mutex_);
  if (kept_bytes_ + mask->bytes() > kMostMaskBytes) {
    masks_.clear();
    kept_bytes_ = 0;
  }
  if (masks_.emplace(key(kept_for), mask).second) kept_bytes_ += mask->bytes();
  return mask;
}

TokenMasks::Mask TokenMasks::make_mask(uint32_t state, int32_t room) const {
  Mask mask;
  mask.bits.resize(vocabulary_->mask_words());
  FormWalk walk(form_->automaton, heights_, room);
  const FormPlace place = {state, FormWalk::kUnknown, 0};
  mark(walk, place, 0, static_cast<uint32_t>(vocabulary_->nodes().size()), mask.bits, &mask.below);
  mask.levels = walk.most_levels();
  return mask;
}

size_t TokenMasks::kept_masks() const {
  const std::lock_guard lock(mutex_);
  return masks_.size();
}

}  // namespace tessera
