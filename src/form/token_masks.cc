#include "form/token_masks.h"

#include <algorithm>

#include "form/form_heights.h"
#include "form/form_limits.h"

namespace tessera {
namespace {

constexpr size_t kMostMaskBytes = 64 << 20;  // kept for one form
constexpr int32_t kAnyRoom = 1 << 20;

// Walks the part of the tree between two nodes, the first of which is at `place` before its byte,
// and marks the tokens whose bytes can all come. Calls `below` for nodes where the stack that the
// walk knows is not enough.
template <typename Below>
void mark_tokens(const FormVocabulary& vocabulary, FormWalk& walk, const FormPlace& place,
                 uint32_t first, uint32_t last, std::span<uint32_t> bits, const Below& below) {
  const auto nodes = vocabulary.nodes();
  if (first >= last) return;
  const size_t base = nodes[first].depth - 1U;
  std::vector<FormPlace> places = {place};  // by depth
  for (uint32_t node = first; node < last;) {
    const size_t depth = nodes[node].depth - base;
    if (places.size() <= depth) places.resize(depth + 16);
    FormPlace& here = places[depth] = places[depth - 1];
    const FormWalk::Step step = walk.step(here, nodes[node].byte);
    if (step == FormWalk::Step::kLives) {
      for (const uint32_t token : vocabulary.tokens_at(node))
        bits[token / 32] |= uint32_t{1} << (token % 32);
      ++node;
    } else {
      if (step == FormWalk::Step::kBelow) below(node);
      node = nodes[node].subtree_end;
    }
  }
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
}

void TokenMasks::write(FormWalk& walk, const FormPlace& place, std::span<uint32_t> bits) const {
  const auto mask = mask_of(place.state, kMaxFormLevels - place.level);
  std::copy(mask->bits.begin(), mask->bits.end(), bits.begin());
  if (mask->below.empty() || place.frame == FormWalk::kBottom) return;
  FormPlace outer = place;
  walk.pop(outer);
  const auto nodes = vocabulary_->nodes();
  for (const uint32_t node : mask->below)
    mark_tokens(*vocabulary_, walk, outer, node, nodes[node].subtree_end, bits, [](uint32_t) {});
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
  mark_tokens(*vocabulary_, walk, place, 0, static_cast<uint32_t>(vocabulary_->nodes().size()),
              mask.bits, [&](uint32_t node) { mask.below.push_back(node); });
  mask.levels = walk.most_levels();
  return mask;
}

size_t TokenMasks::kept_masks() const {
  const std::lock_guard lock(mutex_);
  return masks_.size();
}

}  // namespace tessera
