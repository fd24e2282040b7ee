#include "form/number_text.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace tessera {
namespace {

constexpr size_t kMostDigits = 40;

// Texts of numbers without a sign, compared with one such number digit by digit.
class Magnitudes {
 public:
  Magnitudes(Nfa& nfa, const Decimal& bound) : nfa_(nfa), bound_(bound), end_(nfa.node()) {}

  uint32_t end() const { return end_; }

  void any(uint32_t from) { fraction(nfa_.digits(from, 1, -1)); }

  // Greater ones, and the number itself unless `above`.
  void at_least(uint32_t from, bool above) {
    const int digits = static_cast<int>(bound_.whole.size());
    fraction(nfa_.digits(nfa_.byte(from, '1', '9'), digits, -1));
    const uint32_t same =
        whole_digits(from, [](char digit) { return std::pair(static_cast<char>(digit + 1), '9'); });
    if (bound_.fraction.empty() && !above) return fraction(same);
    uint32_t at = nfa_.byte(same, '.');
    for (const char digit : bound_.fraction) {
      if (digit < '9') more(nfa_.byte(at, static_cast<uint8_t>(digit + 1), '9'));
      at = nfa_.byte(at, digit);
    }
    if (!above) return more(at);
    const uint32_t zeros = nfa_.repeat(at, 0, -1, [&](uint32_t i) { return nfa_.byte(i, '0'); });
    more(nfa_.byte(zeros, '1', '9'));
  }

  // Smaller ones, and the number itself unless `below`.
  void at_most(uint32_t from, bool below) {
    const int digits = static_cast<int>(bound_.whole.size());
    if (digits > 1) {
      fraction(nfa_.byte(from, '0'));
      fraction(nfa_.digits(nfa_.byte(from, '1', '9'), 0, digits - 2));
    }
    const uint32_t same = whole_digits(
        from, [&](char digit) { return std::pair('0', static_cast<char>(digit - 1)); });
    if (!bound_.fraction.empty() || !below) nfa_.empty(same, end_);
    uint32_t at = nfa_.byte(same, '.');
    for (size_t i = 0; i < bound_.fraction.size(); ++i) {
      const char digit = bound_.fraction[i];
      if (digit > '0') more(nfa_.byte(at, '0', static_cast<uint8_t>(digit - 1)));
      at = nfa_.byte(at, digit);
      if (i + 1 < bound_.fraction.size()) nfa_.empty(at, end_);
    }
    if (below) return;
    const uint32_t zeros = bound_.fraction.empty() ? nfa_.byte(at, '0') : at;
    nfa_.empty(nfa_.repeat(zeros, 0, -1, [&](uint32_t i) { return nfa_.byte(i, '0'); }), end_);
  }

 private:
  // Whole parts of as many digits that differ from the bound's in a digit out of `range(digit)`.
  // Returns where the two are the same.
  template <typename Range>
  uint32_t whole_digits(uint32_t from, const Range& range) {
    uint32_t at = from;
    for (size_t i = 0; i < bound_.whole.size(); ++i) {
      auto [low, high] = range(bound_.whole[i]);
      if (i == 0 && bound_.whole.size() > 1) low = std::max(low, '1');
      const int rest = static_cast<int>(bound_.whole.size() - i - 1);
      if (low <= high && low <= '9' && high >= '0')
        fraction(nfa_.digits(nfa_.byte(at, static_cast<uint8_t>(low), static_cast<uint8_t>(high)),
                             rest, rest));
      at = nfa_.byte(at, bound_.whole[i]);
    }
    return at;
  }

  void more(uint32_t from) { nfa_.empty(nfa_.digits(from, 0, -1), end_); }
  void fraction(uint32_t from) {
    nfa_.empty(from, end_);
    more(nfa_.byte(nfa_.byte(from, '.'), '0', '9'));
  }

  Nfa& nfa_;
  const Decimal& bound_;
  const uint32_t end_;
};

}  // namespace

std::optional<Decimal> decimal_of(const Json& number) {
  std::string text = number.dump();
  Decimal out;
  out.negative = text.front() == '-';
  if (out.negative) text.erase(0, 1);
  int exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != text.npos) {
    exponent = std::atoi(text.c_str() + e + 1);
    text.erase(e);
  }
  const size_t point = std::min(text.find('.'), text.size());
  std::string digits = text.substr(0, point);
  if (point < text.size()) digits += text.substr(point + 1);
  const int64_t whole = static_cast<int64_t>(point) + exponent;
  if (std::abs(whole) > static_cast<int64_t>(kMostDigits)) return {};
  if (whole < 0) digits.insert(0, static_cast<size_t>(-whole), '0');
  const size_t split = static_cast<size_t>(std::max<int64_t>(whole, 0));
  if (digits.size() < split) digits.append(split - digits.size(), '0');
  out.whole = digits.substr(0, split);
  out.fraction = digits.substr(split);
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  if (out.whole.empty()) out.whole = "0";
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (out.whole == "0" && out.fraction.empty()) out.negative = false;
  if (out.whole.size() > kMostDigits || out.fraction.size() > kMostDigits) return {};
  return out;
}

bool less(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative;
  const auto smaller = [](const Decimal& x, const Decimal& y) {
    if (x.whole.size() != y.whole.size()) return x.whole.size() < y.whole.size();
    if (x.whole != y.whole) return x.whole < y.whole;
    return x.fraction < y.fraction;
  };
  return a.negative ? smaller(b, a) : smaller(a, b);
}

uint32_t write_at_least(Nfa& nfa, uint32_t from, const Decimal& bound, bool above) {
  Magnitudes magnitudes(nfa, bound);
  if (!bound.negative) {
    magnitudes.at_least(from, above);
  } else {
    magnitudes.any(from);
    magnitudes.at_most(nfa.byte(from, '-'), above);
  }
  return magnitudes.end();
}

uint32_t write_at_most(Nfa& nfa, uint32_t from, const Decimal& bound, bool below) {
  Magnitudes magnitudes(nfa, bound);
  if (bound.negative) {
    magnitudes.at_least(nfa.byte(from, '-'), below);
    return magnitudes.end();
  }
  magnitudes.at_most(from, below);
  const uint32_t minus = nfa.byte(from, '-');
  const bool zero = bound == Decimal{};
  if (zero && below) {
    magnitudes.at_least(minus, true);  // -0 is not below 0
  } else {
    magnitudes.any(minus);
  }
  return magnitudes.end();
}

}  // namespace tessera
