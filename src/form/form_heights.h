#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

#include "form/automaton.h"

namespace tessera {

inline constexpr uint16_t kNoHeight = 0x3FFF;  ///< no way leads to the end

/// For each state, how many levels of nesting the least nested way to the end of its rule needs
/// when only `bytes` can be written; kNoHeight where there is no way of at most kMaxFormLevels.
std::vector<uint16_t> heights_of(const Automaton& automaton, const std::bitset<256>& bytes);

/// Takes out every step into a state that never comes to an end, and fills in heights and over.
/// Throws UsageError when no text leads from the start to the end.
void prune(Automaton& automaton);

}  // namespace tessera
