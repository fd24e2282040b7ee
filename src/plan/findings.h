#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace tessera {

/// What a check found wrong, a line each.
class Findings {
 public:
  void say(std::string line) { lines_.push_back(std::move(line)); }

  template <typename T>
  void same(const std::string& what, const T& found, const T& expected) {
    if (found != expected) say(fmt::format("{}: {}, should be {}", what, found, expected));
  }

  /// Seconds are sums of doubles in another order, and may have been to a file and back.
  void same_seconds(const std::string& what, double found, double expected) {
    const double tolerance = 1e-9 * std::max(std::abs(found), std::abs(expected));
    if (!(std::abs(found - expected) <= tolerance))
      say(fmt::format("{}: {:.9g} s, should be {:.9g} s", what, found, expected));
  }

  void at_most(const std::string& what, double found, double limit) {
    if (!(found >= 0 && found <= limit * (1 + 1e-9)))
      say(fmt::format("{}: {:.9g}, should be 0 to {:.9g}", what, found, limit));
  }

  bool none() const { return lines_.empty(); }
  std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

}  // namespace tessera
