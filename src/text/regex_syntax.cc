#include "text/regex_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "tessera/error.h"
#include "text/newer_characters.h"
#include "text/unicode.h"

namespace tessera {
namespace {

constexpr size_t kMaxPatternBytes = 4096;
constexpr int kMaxNesting = 16;
constexpr int kMaxRepeat = 1000;

// The property White_Space, which is what \s means to Oniguruma. PCRE2 adds U+180E.
constexpr std::string_view kSpaces =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// What stands between [ and ] for a general category.
std::string members_of(std::string_view category) {
  std::string members = fmt::format("\\p{{{}}}", category);
  for (const NewerCharacters& newer : kNewerCharacters)
    if (newer.category.starts_with(category))
      members += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", newer.first, newer.last);
  return members;
}

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : in_(pattern), where_(where) {}

  std::string run() {
    if (in_.empty() || in_.size() > kMaxPatternBytes || !is_valid_utf8(in_))
      throw Error({.where = where_,
                   .expected = fmt::format("a pattern of 1 to {} bytes of UTF-8", kMaxPatternBytes),
                   .found = fmt::format("{} bytes", in_.size())});
    alternatives(0);
    if (at_ < in_.size()) refuse("an unmatched \")\"");
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& found) const {
    throw Error({.where = where_,
                 .what = "pattern",
                 .expected = "what Tessera knows of regular expressions",
                 .found = fmt::format("{} at byte {} of {}", found, at_,
                                      describe_json(Json(std::string(in_))))});
  }

  bool at(std::string_view token) const { return in_.substr(at_).starts_with(token); }
  bool take(std::string_view token) {
    if (!at(token)) return false;
    at_ += token.size();
    return true;
  }
  char32_t take_character() {
    if (at_ == in_.size()) refuse("the end");
    const Utf8Start start = read_utf8(in_.substr(at_));
    at_ += start.bytes;
    return start.code_point;
  }

  void literal(char32_t c) {
    if (c < 0x80 && is_alphanumeric(static_cast<char>(c)))
      out_ += static_cast<char>(c);
    else if (c >= 0x80 && caseless_)
      refuse("a character beyond ASCII without case");
    else
      out_ += fmt::format("\\x{{{:x}}}", static_cast<uint32_t>(c));
  }

  void alternatives(int depth) {
    if (depth > kMaxNesting) refuse(fmt::format("more than {} groups in groups", kMaxNesting));
    while (true) {
      while (at_ < in_.size() && !at("|") && !at(")")) item(depth);
      if (!take("|")) return;
      out_ += '|';
    }
  }

  void item(int depth) {
    if (take("(?=")) return group("(?=", depth);
    if (take("(?!")) return group("(?!", depth);
    if (take("(?i:")) {
      const bool outer = std::exchange(caseless_, true);
      group("(?i:", depth);
      caseless_ = outer;
    } else if (take("(?:") || (at("(") && !at("(?") && take("("))) {
      group("(?:", depth);
    } else if (take("[")) {
      set();
    } else if (take("\\")) {
      escape();
    } else {
      if (std::string_view("()[]{}.*+?^$|").find(in_[at_]) != std::string_view::npos)
        refuse(fmt::format("\"{}\"", in_.substr(at_, 3)));
      literal(take_character());
    }
    quantifier();
  }

  void group(std::string_view opening, int depth) {
    out_ += opening;
    alternatives(depth + 1);
    if (!take(")")) refuse("no \")\"");
    out_ += ')';
  }

  void quantifier() {
    if (take("{")) return repeat();
    for (const std::string_view mark : {"?", "*", "+"}) {
      if (!take(mark)) continue;
      out_ += mark;
      for (const std::string_view manner : {"+", "?"})
        if (take(manner)) {
          out_ += manner;
          break;
        }
      return;
    }
  }

  // {n}, {n,} or {n,m}. A "+" or "?" behind it means other things to the two libraries.
  void repeat() {
    const int low = number();
    out_ += fmt::format("{{{}", low);
    if (take(",")) {
      out_ += ',';
      if (!at("}")) {
        const int high = number();
        if (high < low) refuse("a range that runs backwards");
        out_ += fmt::to_string(high);
      }
    }
    if (!take("}") || at("+") || at("?")) refuse("\"{\"");
    out_ += '}';
  }

  int number() {
    int value = 0;
    const size_t begin = at_;
    while (at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9' && value <= kMaxRepeat)
      value = 10 * value + (in_[at_++] - '0');
    if (at_ == begin || value > kMaxRepeat) refuse(fmt::format("no number up to {}", kMaxRepeat));
    return value;
  }

  // \p{L}: behind "\p".
  std::string category() {
    const size_t end = in_.find('}', at_);
    if (!take("{") || end == in_.npos) refuse("\"\\p\"");
    const std::string_view name = in_.substr(at_, end - at_);
    constexpr std::string_view kKnown[] = {"L", "Lu", "Ll", "Lt", "Lm", "Lo",
                                           "M", "N",  "Nd", "P",  "S"};
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown))
      refuse(fmt::format("the property {}", describe_json(Json(std::string(name)))));
    // The libraries disagree on whether \p{Lu} then means letters of either case.
    if (caseless_) refuse("a property without case");
    at_ = end + 1;
    return members_of(name);
  }

  // What a backslash begins, as members of a set; empty when it is one character, put in `single`.
  std::string escaped_members(char32_t& single) {
    if (take("p")) return category();
    if (take("s")) return std::string(kSpaces);
    if (take("d")) return members_of("Nd");
    if (take("r")) return single = U'\r', "";
    if (take("n")) return single = U'\n', "";
    if (take("t")) return single = U'\t', "";
    if (at_ < in_.size() && is_alphanumeric(in_[at_])) refuse(fmt::format("\"\\{}\"", in_[at_]));
    single = take_character();
    if (single >= 0x80) refuse("a backslash before a character beyond ASCII");
    return "";
  }

  void escape() {
    if (take("S")) {
      out_ += fmt::format("[^{}]", kSpaces);
      return;
    }
    if (take("P")) {
      out_ += fmt::format("[^{}]", category());
      return;
    }
    char32_t single = 0;
    const std::string members = escaped_members(single);
    if (members.empty())
      literal(single);
    else
      out_ += fmt::format("[{}]", members);
  }

  void set() {
    out_ += take("^") ? "[^" : "[";
    if (at("]")) refuse("an empty set");
    while (!take("]")) member();
    out_ += ']';
  }

  // One character, a range, or a class. A "-" that is no range stands at either end.
  void member() {
    const size_t begin = at_;
    if (at("[") || at("&&")) refuse("a set inside a set");
    char32_t first = 0;
    if (take("\\")) {
      if (const std::string members = escaped_members(first); !members.empty()) {
        if (at("-") && !at("-]")) refuse("a range from a class");
        out_ += members;
        return;
      }
    } else {
      first = take_character();
      const bool at_an_end = in_[begin - 1] == '[' || in_[begin - 1] == '^' || at("]");
      if (first == U'-' && !at_an_end) refuse("a \"-\" inside a set");
    }
    literal(first);
    if (!at("-") || at("-]")) return;
    take("-");
    if (at("[")) refuse("a set inside a set");
    char32_t last = 0;
    if (!take("\\"))
      last = take_character();
    else if (!escaped_members(last).empty())
      refuse("a range to a class");
    if (last < first) refuse("a range that runs backwards");
    out_ += '-';
    literal(last);
  }

  std::string_view in_;
  const std::string& where_;
  std::string out_;
  size_t at_ = 0;
  bool caseless_ = false;
};

}  // namespace

std::string to_pcre2_syntax(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

}  // namespace tessera
