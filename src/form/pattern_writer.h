#pragma once

#include <cstdint>
#include <string>

#include "form/nfa.h"
#include "form/pattern_parser.h"

namespace tessera {

/// How characters are written.
enum class Spelling : uint8_t {
  kPlain,       ///< in UTF-8
  kJsonString,  ///< as between the quotes of a JSON string, escaped only where they must be
};

/// What of a text a pattern speaks of.
enum class PatternExtent : uint8_t {
  kWhole,   ///< all of it, with or without ^ and $
  kSearch,  ///< some part of it, unless ^ or $ say more: as JSON Schema has it
};

/// One character of the set, to a node that is there.
void write_character(Nfa& nfa, uint32_t from, const CodePointSet& set, Spelling spelling,
                     uint32_t to);

/// The texts that the pattern fits; returns where they end. Throws UsageError as parse_pattern,
/// and for a ^ or $ that is not at an end.
uint32_t write_pattern(Nfa& nfa, uint32_t from, std::string_view pattern, PatternExtent extent,
                       Spelling spelling, const std::string& place);

}  // namespace tessera
