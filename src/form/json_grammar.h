#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "form/grammar.h"

namespace tessera {

/// The characters of UTF-8. Throws UsageError that names `place` where there are other bytes.
std::vector<char32_t> code_points_of(std::string_view text, const std::string& place);

/// The parts of JSON (RFC 8259) as rules of a grammar. Each is added when it is first asked for.
/// Functions that take `from` return where the text they add ends.
class JsonGrammar {
 public:
  explicit JsonGrammar(Grammar& grammar);

  Grammar& grammar() { return grammar_; }
  Nfa& nfa() { return grammar_.nfa; }

  uint32_t blanks(uint32_t from);  ///< none, or up to kMaxBlanks
  uint32_t colon(uint32_t from);   ///< with blanks around it
  uint32_t comma(uint32_t from);   ///< with blanks behind it
  uint32_t string(uint32_t from);  ///< any, with any escapes
  uint32_t number(uint32_t from);
  uint32_t integer(uint32_t from);
  uint32_t any_value(uint32_t from);  ///< one level down
  uint32_t any_object(uint32_t from);
  uint32_t any_array(uint32_t from);

  /// A string of exactly these characters, escaped only where they must be.
  uint32_t literal_string(uint32_t from, std::string_view text, const std::string& place);
  /// A string of min to max characters, any escapes; max < 0: no limit.
  uint32_t counted_string(uint32_t from, int min, int max);
  /// -?(0|[1-9][0-9]*) of at most kMaxIntegerDigits digits.
  uint32_t integer_text(uint32_t from);
  /// The same with a fraction or without.
  uint32_t decimal_text(uint32_t from);

 private:
  uint32_t call(uint32_t from, uint32_t rule);
  uint32_t escape(uint32_t from);
  uint32_t number_text(uint32_t from);
  uint32_t any_value_text(uint32_t from);

  Grammar& grammar_;
  // Small, so that what calls them stays small: a string of at most 10,000 characters is 10,000
  // states, not 300,000.
  uint32_t blanks_, string_, number_, integer_, long_character_, escape_, any_;
};

}  // namespace tessera
