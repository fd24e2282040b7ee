#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

namespace tessera {

/// Empty when each got[i] is within rel * |want[i]| + abs of want[i]; else how many are not, and
/// the one that is farthest off. It asks whether an error is small, never whether it is large, so a
/// NaN on either side differs; an infinity equals only itself.
inline std::string differs(std::span<const float> got, std::span<const double> want, double rel,
                           double abs = 0) {
  if (got.size() != want.size())
    return std::to_string(got.size()) + " numbers, want " + std::to_string(want.size());
  size_t count = 0, worst = 0;
  double most = -1;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(double{got[i]} - want[i]);
    const bool near = std::isfinite(want[i]) && error <= rel * std::fabs(want[i]) + abs;
    if (near || double{got[i]} == want[i]) continue;
    ++count;
    const double size = std::isnan(error) ? INFINITY : error;
    if (size > most) most = size, worst = i;
  }
  if (count == 0) return "";
  char line[160];
  std::snprintf(line, sizeof(line), "%zu of %zu differ, most at [%zu]: got %f, want %f", count,
                got.size(), worst, double{got[worst]}, want[worst]);
  return line;
}

/// Empty when both hold the same bits, any NaN being as good as another; else the first difference.
inline std::string bits_differ(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size())
    return std::to_string(got.size()) + " numbers, want " + std::to_string(want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &want[i], sizeof(float)) == 0) continue;
    if (std::isnan(got[i]) && std::isnan(want[i])) continue;
    char line[120];
    std::snprintf(line, sizeof(line), "[%zu]: got %a, want %a", i, double{got[i]}, double{want[i]});
    return line;
  }
  return "";
}

}  // namespace tessera
