#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "form/code_point_set.h"

namespace tessera {

/// A regular expression as a tree.
struct PatternNode {
  enum class Kind : uint8_t {
    kNothing,   ///< the empty text
    kClass,     ///< one character of `set`
    kSequence,  ///< all of `parts` in order
    kEither,    ///< one of `parts`
    kRepeat,    ///< parts[0], min to max times; max < 0: no limit
    kBegin,     ///< ^
    kEnd,       ///< $
  };
  Kind kind = Kind::kNothing;
  CodePointSet set = {};
  std::vector<PatternNode> parts = {};
  int min = 0, max = 0;
};

/// What all dialects agree on: literals, classes, \d \w \s of ASCII and their complements, . (no
/// line end of ECMAScript's), groups with and without names, |, * + ? {m} {m,} {m,n} and their lazy
/// forms, which match the same texts, ^ and $, escapes \n \r \t \f \v \0 \cX \xHH \uHHHH \u{H}.
/// Throws UsageError that names `place` and the byte for anything else: lookaround,
/// back-references, possessive forms, flags, \b, \p.
PatternNode parse_pattern(std::string_view pattern, const std::string& place);

}  // namespace tessera
