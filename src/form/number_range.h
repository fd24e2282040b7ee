#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "form/json_grammar.h"
#include "form/number_text.h"

namespace tessera {

/// Adds one language; returns where it ends. None of them may call a rule.
using WriteTexts = std::function<uint32_t(JsonGrammar& grammar, uint32_t from)>;

/// Adds the texts that are in all of the languages. Throws UsageError that names `place` when there
/// is none, or when that takes too many states.
uint32_t write_intersection(JsonGrammar& grammar, uint32_t from,
                            const std::vector<WriteTexts>& languages, const std::string& place);

struct NumberRange {
  bool integer = false;
  std::optional<Decimal> least = {}, most = {};
  bool above = false, below = false;  ///< the bounds themselves are out
  int multiple_of = 0;                ///< of integers; 0: any
};

/// Numbers within the range, without exponents. Throws as write_intersection.
uint32_t write_number_range(JsonGrammar& grammar, uint32_t from, const NumberRange& range,
                            const std::string& place);

}  // namespace tessera
