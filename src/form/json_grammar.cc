#include "form/json_grammar.h"

#include "form/form_limits.h"
#include "form/pattern_writer.h"

namespace tessera {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";

uint32_t hex_digits(Nfa& nfa, uint32_t from, int count) {
  return nfa.repeat(from, count, count, [&](uint32_t at) { return nfa.any_of(at, kHexDigits); });
}

// Of a JSON string, in one byte and as they are.
void short_characters(Nfa& nfa, uint32_t from, uint32_t to) {
  nfa.character(from, {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0x7F}}, to);
}

}  // namespace

std::vector<char32_t> code_points_of(std::string_view text, const std::string& place) {
  std::vector<char32_t> out;
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    char32_t c = bytes == 1 ? lead : lead & (0x7F >> bytes);
    bool valid = (lead < 0x80 || lead >= 0xC2) && lead < 0xF8 && at + bytes <= text.size();
    for (size_t i = 1; valid && i < bytes; ++i) {
      const auto next = static_cast<uint8_t>(text[at + i]);
      valid = (next & 0xC0) == 0x80;
      c = c << 6 | (next & 0x3F);
    }
    if (!valid || c < kLeast[bytes] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
      refuse_form(place, "UTF-8", "other bytes");
    out.push_back(c);
    at += bytes;
  }
  return out;
}

JsonGrammar::JsonGrammar(Grammar& grammar) : grammar_(grammar) {
  Nfa& nfa = grammar_.nfa;
  blanks_ = grammar_.add_rule(true, "blanks", [&](uint32_t at) {
    return nfa.repeat(at, 1, kMaxBlanks,
                      [&](uint32_t from) { return nfa.any_of(from, " \t\n\r"); });
  });
  escape_ = grammar_.add_rule(true, "escape", [&](uint32_t at) { return escape(at); });
  long_character_ = grammar_.add_rule(true, "character", [&](uint32_t at) {
    const uint32_t end = nfa.node();
    nfa.character(at, CodePointSet{{0, 0x7F}}.complement(), end);
    return end;
  });
  string_ = grammar_.add_rule(true, "string", [&](uint32_t at) {
    const uint32_t body = nfa.byte(at, '"');
    short_characters(nfa, body, body);
    nfa.character(body, CodePointSet{{0, 0x7F}}.complement(), body);
    nfa.empty(escape(body), body);
    return nfa.byte(body, '"');
  });
  integer_ = grammar_.add_rule(true, "integer", [&](uint32_t at) { return integer_text(at); });
  number_ = grammar_.add_rule(true, "number", [&](uint32_t at) { return number_text(at); });
  any_ = grammar_.declare_rule(false, "any value");
  grammar_.write_rule(any_, [&](uint32_t at) { return any_value_text(at); });
}

uint32_t JsonGrammar::call(uint32_t from, uint32_t rule) {
  const uint32_t to = nfa().node();
  nfa().call(from, rule, to);
  return to;
}

uint32_t JsonGrammar::blanks(uint32_t from) {
  const uint32_t to = call(from, blanks_);
  nfa().empty(from, to);
  return to;
}

uint32_t JsonGrammar::colon(uint32_t from) {
  return blanks(nfa().byte(blanks(from), ':'));
}

uint32_t JsonGrammar::comma(uint32_t from) {
  return blanks(nfa().byte(from, ','));
}
uint32_t JsonGrammar::string(uint32_t from) {
  return call(from, string_);
}
uint32_t JsonGrammar::number(uint32_t from) {
  return call(from, number_);
}
uint32_t JsonGrammar::integer(uint32_t from) {
  return call(from, integer_);
}
uint32_t JsonGrammar::any_value(uint32_t from) {
  return call(from, any_);
}

uint32_t JsonGrammar::escape(uint32_t from) {
  const uint32_t end = nfa().node();
  const uint32_t backslash = nfa().byte(from, '\\');
  nfa().empty(nfa().any_of(backslash, "\"\\/bfnrt"), end);
  const uint32_t u = nfa().byte(backslash, 'u');
  // Below D000 and above DFFF; D000 to D7FF; a pair D800-DBFF, DC00-DFFF.
  nfa().empty(hex_digits(nfa(), nfa().any_of(u, "0123456789abcefABCEF"), 3), end);
  const uint32_t d = nfa().any_of(u, "dD");
  nfa().empty(hex_digits(nfa(), nfa().any_of(d, "01234567"), 2), end);
  const uint32_t high = hex_digits(nfa(), nfa().any_of(d, "89abAB"), 2);
  const uint32_t low = nfa().any_of(nfa().text(high, "\\u"), "dD");
  nfa().empty(hex_digits(nfa(), nfa().any_of(low, "cdefCDEF"), 2), end);
  return end;
}

uint32_t JsonGrammar::integer_text(uint32_t from) {
  const uint32_t digits = nfa().node(), end = nfa().node();
  nfa().empty(from, digits);
  nfa().empty(nfa().byte(from, '-'), digits);
  nfa().bytes(digits, '0', '0', end);
  nfa().empty(nfa().digits(nfa().byte(digits, '1', '9'), 0, kMaxIntegerDigits - 1), end);
  return end;
}

uint32_t JsonGrammar::decimal_text(uint32_t from) {
  const uint32_t end = nfa().node();
  const uint32_t whole = integer_text(from);
  nfa().empty(whole, end);
  nfa().empty(nfa().digits(nfa().byte(whole, '.'), 1, kMaxFractionDigits), end);
  return end;
}

// With exponents from -999 to 199: what no double can hold is refused by many parsers.
uint32_t JsonGrammar::number_text(uint32_t from) {
  const uint32_t end = nfa().node();
  const uint32_t decimal = decimal_text(from);
  nfa().empty(decimal, end);
  const uint32_t e = nfa().any_of(decimal, "eE");
  nfa().empty(nfa().digits(nfa().byte(e, '-'), 1, 3), end);
  const uint32_t positive = nfa().node();
  nfa().empty(e, positive);
  nfa().empty(nfa().byte(e, '+'), positive);
  nfa().empty(nfa().digits(positive, 1, 2), end);
  nfa().empty(nfa().digits(nfa().any_of(positive, "01"), 2, 2), end);
  return end;
}

uint32_t JsonGrammar::any_value_text(uint32_t from) {
  const uint32_t end = nfa().node();
  for (const std::string_view word : {"true", "false", "null"})
    nfa().empty(nfa().text(from, word), end);
  nfa().empty(string(from), end);
  nfa().empty(number(from), end);
  nfa().empty(any_object(from), end);
  nfa().empty(any_array(from), end);
  return end;
}

uint32_t JsonGrammar::any_object(uint32_t from) {
  const uint32_t first = blanks(nfa().byte(from, '{'));
  const uint32_t member = nfa().node(), end = nfa().node();
  nfa().empty(first, member);
  nfa().bytes(first, '}', '}', end);
  const uint32_t after = blanks(any_value(colon(string(member))));
  nfa().empty(comma(after), member);
  nfa().bytes(after, '}', '}', end);
  return end;
}

uint32_t JsonGrammar::any_array(uint32_t from) {
  const uint32_t first = blanks(nfa().byte(from, '['));
  const uint32_t item = nfa().node(), end = nfa().node();
  nfa().empty(first, item);
  nfa().bytes(first, ']', ']', end);
  const uint32_t after = blanks(any_value(item));
  nfa().empty(comma(after), item);
  nfa().bytes(after, ']', ']', end);
  return end;
}

uint32_t JsonGrammar::literal_string(uint32_t from, std::string_view text,
                                     const std::string& place) {
  uint32_t at = nfa().byte(from, '"');
  for (const char32_t c : code_points_of(text, place)) {
    const uint32_t to = nfa().node();
    write_character(nfa(), at, {{c, c}}, Spelling::kJsonString, to);
    at = to;
  }
  return nfa().byte(at, '"');
}

uint32_t JsonGrammar::counted_string(uint32_t from, int min, int max) {
  const uint32_t body = nfa().byte(from, '"');
  const uint32_t end = nfa().repeat(body, min, max, [&](uint32_t at) {
    const uint32_t to = nfa().node();
    short_characters(nfa(), at, to);
    nfa().call(at, long_character_, to);
    nfa().call(at, escape_, to);
    return to;
  });
  return nfa().byte(end, '"');
}

}  // namespace tessera
