#include "form/pattern_parser.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "form/form_limits.h"
#include "form/json_grammar.h"

namespace tessera {
namespace {

using Kind = PatternNode::Kind;

const CodePointSet kDigits = {{'0', '9'}};
const CodePointSet kWords = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePointSet kBlanks = {{'\t', '\r'}, {' ', ' '}};
const CodePointSet kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class PatternParser {
 public:
  PatternParser(std::string_view pattern, const std::string& place) : in_(pattern), place_(place) {}

  PatternNode run() {
    if (in_.size() > kMaxPatternBytesInForm)
      refuse_large_form(place_, fmt::format("at most {} bytes", kMaxPatternBytesInForm));
    code_points_of(in_, place_);  // refuses what is not UTF-8
    PatternNode tree = alternatives(0);
    if (at_ < in_.size()) refuse("an unmatched \")\"");
    return tree;
  }

 private:
  [[noreturn]] void refuse(const std::string& found, const std::string& hint = "") const {
    refuse_form(fmt::format("{} at byte {}", place_, at_), "a regular expression", found, hint);
  }
  bool done() const { return at_ == in_.size(); }
  bool at(std::string_view token) const { return in_.substr(at_).starts_with(token); }
  bool take(std::string_view token) {
    if (!at(token)) return false;
    at_ += token.size();
    return true;
  }
  char take_byte() {
    if (done()) refuse("the end of it");
    return in_[at_++];
  }
  char32_t take_character() {
    if (done()) refuse("the end of it");
    const auto lead = static_cast<uint8_t>(in_[at_]);
    const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const char32_t c = code_points_of(in_.substr(at_, bytes), place_).front();
    at_ += bytes;
    return c;
  }

  PatternNode alternatives(int depth) {
    if (depth > kMaxPatternNesting)
      refuse_large_form(fmt::format("{} at byte {}", place_, at_),
                        fmt::format("at most {} groups in groups", kMaxPatternNesting));
    PatternNode either = {.kind = Kind::kEither};
    do either.parts.push_back(sequence(depth));
    while (take("|"));
    return either.parts.size() == 1 ? std::move(either.parts[0]) : either;
  }

  PatternNode sequence(int depth) {
    PatternNode sequence = {.kind = Kind::kSequence};
    while (!done() && !at("|") && !at(")")) {
      PatternNode atom = this->atom(depth);
      repeats(atom);
      sequence.parts.push_back(std::move(atom));
    }
    return sequence;
  }

  PatternNode atom(int depth) {
    if (take("(")) {
      group_kind();
      PatternNode inner = alternatives(depth + 1);
      if (!take(")")) refuse("a group without its \")\"");
      return inner;
    }
    if (take("^")) return {.kind = Kind::kBegin};
    if (take("$")) return {.kind = Kind::kEnd};
    if (take("[")) return {.kind = Kind::kClass, .set = bracket()};
    if (take(".")) return {.kind = Kind::kClass, .set = kLineEnds.complement()};
    if (at("*") || at("+") || at("?") || counts_ahead()) refuse("nothing before a repeat");
    if (take("\\")) return {.kind = Kind::kClass, .set = escape(false)};
    const char32_t c = take_character();
    return {.kind = Kind::kClass, .set = {{c, c}}};
  }

  // Behind "(".
  void group_kind() {
    if (!take("?")) return;
    if (take(":")) return;
    if (at("=") || at("!") || at("<=") || at("<!"))
      refuse("lookaround", "it does not describe a text by itself");
    if (!take("P<") && !take("<")) refuse("a group of an unknown kind, or flags");
    const size_t begin = at_;
    while (!done() && (is_letter(in_[at_]) || is_digit(in_[at_]) || in_[at_] == '_')) ++at_;
    if (begin == at_ || !take(">")) refuse("a group's name that does not end");
  }

  bool counts_ahead() const {
    return at("{") && at_ + 1 < in_.size() && (is_digit(in_[at_ + 1]) || in_[at_ + 1] == ',');
  }

  void repeats(PatternNode& atom) {
    int min = 0, max = -1;
    if (take("*")) {
    } else if (take("+")) {
      min = 1;
    } else if (take("?")) {
      max = 1;
    } else if (counts_ahead()) {
      ++at_;
      counts(min, max);
    } else {
      return;
    }
    if (atom.kind == Kind::kBegin || atom.kind == Kind::kEnd) refuse("a repeated anchor");
    if (at("+")) refuse("a possessive repeat", "it depends on the order of a search");
    take("?");  // lazy: the same texts
    if (at("*") || at("+") || at("?") || counts_ahead()) refuse("a repeat of a repeat");
    PatternNode repeat = {.kind = Kind::kRepeat, .min = min, .max = max};
    repeat.parts.push_back(std::move(atom));
    atom = std::move(repeat);
  }

  int count() {
    if (done() || !is_digit(in_[at_])) refuse("a repeat without a count");
    int value = 0;
    while (!done() && is_digit(in_[at_])) {
      value = value * 10 + (in_[at_++] - '0');
      if (value > kMaxRepeats)
        refuse_large_form(fmt::format("{} at byte {}", place_, at_),
                          fmt::format("at most {} repeats", kMaxRepeats));
    }
    return value;
  }

  void counts(int& min, int& max) {
    min = max = count();
    if (take(",")) max = at("}") ? -1 : count();
    if (!take("}")) refuse("a repeat without its \"}\"");
    if (max >= 0 && max < min) refuse("a repeat whose least is above its most");
  }

  char32_t hex(int min, int max) {
    char32_t value = 0;
    int digits = 0;
    for (; digits < max && !done() && hex_value(in_[at_]) >= 0; ++digits)
      value = value * 16 + static_cast<char32_t>(hex_value(in_[at_++]));
    if (digits < min) refuse("an escape with too few digits");
    return value;
  }

  char32_t unicode_escape() {
    if (take("{")) {
      const char32_t value = hex(1, 6);
      if (!take("}")) refuse("an escape without its \"}\"");
      return scalar(value);
    }
    const char32_t high = hex(4, 4);
    if (high < 0xD800 || high > 0xDBFF) return scalar(high);
    if (!take("\\u")) refuse("half a surrogate pair");
    const char32_t low = hex(4, 4);
    if (low < 0xDC00 || low > 0xDFFF) refuse("half a surrogate pair");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  char32_t scalar(char32_t value) const {
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) refuse("no character's number");
    return value;
  }

  // Behind a backslash.
  CodePointSet escape(bool in_brackets) {
    const char32_t c = take_character();
    const auto one = [](char32_t value) { return CodePointSet({{value, value}}); };
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return kDigits.complement();
      case 'w':
        return kWords;
      case 'W':
        return kWords.complement();
      case 's':
        return kBlanks;
      case 'S':
        return kBlanks.complement();
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x':
        return one(hex(2, 2));
      case 'u':
        return one(unicode_escape());
      case 'c': {
        const char letter = take_byte();
        if (!is_letter(letter)) refuse("\\c without a letter");
        return one(static_cast<char32_t>(letter & 0x1F));
      }
      case '0':
        if (!done() && is_digit(in_[at_])) refuse("an octal escape");
        return one(0);
      default:
        break;
    }
    if (in_brackets && c == 'b') return one('\b');
    if (c < 0x80 && (is_letter(static_cast<char>(c)) || is_digit(static_cast<char>(c)))) {
      --at_;
      if (is_digit(static_cast<char>(c)) || c == 'k') refuse("a back-reference");
      refuse(fmt::format("\\{}", static_cast<char>(c)));
    }
    return one(c);
  }

  // Behind "[".
  CodePointSet bracket() {
    const bool negated = take("^");
    if (at("]")) refuse("an empty class", "\"\\]\" for the bracket itself");
    CodePointSet set;
    while (!take("]")) {
      if (at("[:") || at("[.") || at("[=")) refuse("a class of POSIX");
      const auto first = bracket_item(set);
      if (!at("-") || at("-]")) {
        if (first) set.add(*first, *first);
        continue;
      }
      take("-");
      CodePointSet other;
      const auto last = bracket_item(other);
      if (!first || !last) refuse("a range to or from a class");
      if (*last < *first) refuse("a range whose first is above its last");
      set.add(CodePointSet({{*first, *last}}).without({}));
    }
    return negated ? set.complement() : set.without({});
  }

  // A character, or a class that is added to `set`.
  std::optional<char32_t> bracket_item(CodePointSet& set) {
    if (done()) refuse("a class without its \"]\"");
    if (!take("\\")) return take_character();
    const CodePointSet escaped = escape(true);
    const auto ranges = escaped.ranges();
    if (ranges.size() == 1 && ranges[0].first == ranges[0].last) return ranges[0].first;
    set.add(escaped);
    return std::nullopt;
  }

  std::string_view in_;
  const std::string& place_;
  size_t at_ = 0;
};

}  // namespace

PatternNode parse_pattern(std::string_view pattern, const std::string& place) {
  return PatternParser(pattern, place).run();
}

}  // namespace tessera
