#include "form/form_matcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint32_t kLevelBit = uint32_t{1} << 31;

}  // namespace

FormMatcher::FormMatcher(std::shared_ptr<const CompiledForm> form,
                         std::shared_ptr<const FormVocabulary> vocabulary)
    : masks_(std::make_shared<const TokenMasks>(std::move(form), std::move(vocabulary))),
      state_(masks_->automaton().start) {}

FormWalk FormMatcher::walk() const {
  return FormWalk(masks_->automaton(), masks_->heights(), kMaxFormLevels);
}

FormPlace FormMatcher::place_in(FormWalk& walk) const {
  FormPlace place = {state_, FormWalk::kBottom, 0};
  for (uint32_t i = 0; i < frames_; ++i)
    walk.push(place, after_[i] & ~kLevelBit, (after_[i] & kLevelBit) != 0 ? 1 : 0);
  return place;
}

bool FormMatcher::read(FormWalk& walk, FormPlace& place, int32_t token) const {
  const auto bytes = masks_->vocabulary().bytes_of(token);
  return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [&](uint8_t byte) {
    return walk.step(place, byte) == FormWalk::Step::kLives;
  });
}

void FormMatcher::allowed(std::span<uint32_t> bits) const {
  const FormVocabulary& vocabulary = masks_->vocabulary();
  if (bits.size() < vocabulary.mask_words()) throw std::logic_error("a mask that is too short");
  std::fill(bits.begin() + static_cast<ptrdiff_t>(vocabulary.mask_words()), bits.end(), 0);
  FormWalk walk = this->walk();
  const FormPlace place = place_in(walk);
  masks_->write(walk, place, bits);
  if (!complete()) return;
  for (const int32_t token : vocabulary.end_tokens())
    bits[token / 32] |= uint32_t{1} << (token % 32);
}

bool FormMatcher::allows(int32_t token) const {
  if (masks_->vocabulary().is_end(token)) return complete();
  FormWalk walk = this->walk();
  FormPlace place = place_in(walk);
  return read(walk, place, token);
}

void FormMatcher::accept(int32_t token) {
  const auto refuse = [&] {
    throw Error({.where = "form",
                 .what = fmt::format("token {}", token),
                 .expected = "one that the form allows here"});
  };
  if (masks_->vocabulary().is_end(token)) {
    if (!complete()) refuse();
    return;
  }
  FormWalk walk = this->walk();
  FormPlace place = place_in(walk);
  if (!read(walk, place, token)) refuse();
  state_ = place.state;
  frames_ = 0;
  for (uint32_t at = place.frame; at != FormWalk::kBottom; at = walk.frame(at).below) {
    if (frames_ == kMostFrames) throw std::logic_error("a stack deeper than its levels");
    after_[frames_++] = walk.frame(at).after | (walk.frame(at).levels != 0 ? kLevelBit : 0);
  }
  std::reverse(after_.begin(), after_.begin() + frames_);
}

bool FormMatcher::complete() const {
  const auto& ends = masks_->automaton().ends;
  return ends[state_] != 0 &&
         std::all_of(after_.begin(), after_.begin() + frames_,
                     [&](uint32_t after) { return ends[after & ~kLevelBit] != 0; });
}

bool FormMatcher::finished() const {
  if (!complete()) return false;
  FormWalk walk = this->walk();
  const FormPlace place = place_in(walk);
  for (int byte = 0; byte < 256; ++byte) {
    FormPlace next = place;
    if (walk.step(next, static_cast<uint8_t>(byte)) == FormWalk::Step::kLives) return false;
  }
  return true;
}

}  // namespace tessera
