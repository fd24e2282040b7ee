#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "form/automaton.h"

namespace tessera {

/// Where an answer stands in a form: the automaton's state and what is on its stack.
struct FormPlace {
  uint32_t state = 0;
  uint32_t frame = 0;  ///< the top of the stack: a frame of the walk, kBottom, kUnknown
  int32_t level = 0;   ///< of nesting
};

/// Steps of an automaton, byte by byte. A place stays valid whatever steps are made from it: stacks
/// share their frames, which are never changed.
class FormWalk {
 public:
  static constexpr uint32_t kBottom = UINT32_MAX;       ///< nothing is on the stack
  static constexpr uint32_t kUnknown = UINT32_MAX - 1;  ///< something, but the walk was not told

  enum class Step : uint8_t {
    kDead,   ///< the byte cannot come
    kLives,  ///< some answer goes on so
    kBelow,  ///< to be seen in the part of the stack that the walk was not told
  };

  /// heights   [states], of heights_of(); both must outlive the walk
  /// levels    of nesting that there may be at most
  FormWalk(const Automaton& automaton, const std::vector<uint16_t>& heights, int32_t levels)
      : automaton_(automaton), heights_(heights), levels_(levels) {}

  /// `place` is only of use afterwards when kLives is returned.
  Step step(FormPlace& place, uint8_t byte) {
    const uint8_t kind = automaton_.kind_of[byte];
    for (;;) {
      const uint32_t next = automaton_.next[size_t{place.state} * automaton_.kinds + kind];
      if (next < Automaton::kCall) {
        place.state = next;
        break;
      }
      if (next == Automaton::kNone) {
        if (!automaton_.ends[place.state] || place.frame == kBottom) return Step::kDead;
        if (place.frame == kUnknown) return Step::kBelow;
        pop(place);
      } else {
        const Automaton::Call& call = automaton_.calls[next & ~Automaton::kCall];
        if (!has_room(place.level, call.after)) return Step::kDead;
        push(place, call.after, static_cast<int32_t>(call.levels));
        place.state = call.start;
      }
    }
    if (!has_room(place.level, place.state)) return Step::kDead;
    while (automaton_.over[place.state] && place.frame < kUnknown) pop(place);
    return Step::kLives;
  }

  /// The place with one more frame.
  void push(FormPlace& place, uint32_t after, int32_t levels) {
    frames_.push_back({after, place.frame, levels});
    place.frame = static_cast<uint32_t>(frames_.size() - 1);
    place.level += levels;
  }
  void pop(FormPlace& place) const {
    const Frame& frame = frames_[place.frame];
    place.state = frame.after;
    place.level -= frame.levels;
    place.frame = frame.below;
  }

  struct Frame {
    uint32_t after, below;
    int32_t levels;
  };
  const Frame& frame(uint32_t index) const { return frames_[index]; }
  /// The most levels that any place had or needed.
  int32_t most_levels() const { return most_levels_; }

 private:
  bool has_room(int32_t level, uint32_t state) {
    const int32_t needed = level + heights_[state];
    if (needed <= most_levels_) return true;
    if (needed > levels_) return false;
    most_levels_ = needed;
    return true;
  }

  const Automaton& automaton_;
  const std::vector<uint16_t>& heights_;
  const int32_t levels_;
  int32_t most_levels_ = 0;
  std::vector<Frame> frames_;
};

}  // namespace tessera
