#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "form/nfa.h"

namespace tessera {

/// A decimal number as it is written, without zeros that could be left out: whole is "0" or begins
/// with another digit, fraction does not end with "0". Zero is not negative.
struct Decimal {
  bool negative = false;
  std::string whole = "0", fraction = {};

  bool operator==(const Decimal&) const = default;
};

/// Empty when the number has more than 40 digits before or behind the point.
std::optional<Decimal> decimal_of(const Json& number);
bool less(const Decimal& a, const Decimal& b);

/// Adds the texts -?whole(.fraction)? whose value is at least (or, with `above`, greater than) the
/// bound. Their whole parts are taken to have no zeros in front. Returns where they end.
uint32_t write_at_least(Nfa& nfa, uint32_t from, const Decimal& bound, bool above);
/// At most, or less than.
uint32_t write_at_most(Nfa& nfa, uint32_t from, const Decimal& bound, bool below);

}  // namespace tessera
