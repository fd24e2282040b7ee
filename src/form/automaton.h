#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace tessera {

/// A deterministic automaton with a stack. In a state, a byte leads to another state, or begins a
/// text of another rule (the state to go on in is pushed, and the byte is read in the rule's first
/// state), or, where the state ends its rule, the state on the stack is popped and reads the byte.
struct Automaton {
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kCall = uint32_t{1} << 31;  ///< the rest is an index into calls

  struct Call {
    uint32_t start = 0, after = 0;
    uint32_t levels = 0;  ///< of nesting that it goes down: 0 or 1
  };

  std::array<uint8_t, 256> kind_of{};  ///< bytes of one kind are alike in every state
  uint32_t kinds = 0;
  std::vector<uint32_t> next;  ///< [states, kinds]: a state, kCall | call, or kNone
  std::vector<Call> calls;
  std::vector<uint8_t> ends;  ///< [states] the rule may end here
  std::vector<uint8_t> over;  ///< [states] and must: nothing leads on
  /// [states] levels of nesting that the shortest way to the end of the rule needs. No state
  /// is without such a way.
  std::vector<uint16_t> heights;
  uint32_t start = 0;

  uint32_t states() const { return static_cast<uint32_t>(ends.size()); }
};

}  // namespace tessera
