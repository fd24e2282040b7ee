#include "runtime/step_cost.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tessera {
namespace {

// By Gauss' elimination. What no step has shown apart from the rest gets a share of what they have
// in common: the diagonal is a little longer than measured.
std::array<double, 3> solve(std::array<std::array<double, 4>, 3> rows) {
  constexpr double kLonger = 1e-4;
  for (size_t i = 0; i < 3; ++i) rows[i][i] += kLonger * rows[i][i] + 1e-12;
  for (size_t i = 0; i < 3; ++i)  // positive definite: no row has to be exchanged
    for (size_t k = 0; k < 3; ++k) {
      if (k == i) continue;
      const double share = rows[k][i] / rows[i][i];
      for (size_t j = i; j < 4; ++j) rows[k][j] -= share * rows[i][j];
    }
  return {rows[0][3] / rows[0][0], rows[1][3] / rows[1][1], rows[2][3] / rows[2][2]};
}

}  // namespace

void StepCost::add(int64_t decode_rows, int64_t prompt_rows, double seconds) {
  if (!(seconds > 0)) return;
  const double kept = std::exp2(-1.0 / 64);
  const std::array<double, 3> per_second = {1 / seconds, static_cast<double>(decode_rows) / seconds,
                                            static_cast<double>(prompt_rows) / seconds};
  Sums& sums = sums_[prompt_rows == 0 ? 0 : 1];
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) sums[i][j] = kept * sums[i][j] + per_second[i] * per_second[j];
    sums[i][3] = kept * sums[i][3] + per_second[i];
  }
}

std::optional<int64_t> StepCost::prompt_rows(int64_t decode_rows, double factor) const {
  Sums sums = sums_[0];
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 4; ++j) sums[i][j] += sums_[1][i][j];
  const auto [base_s, decode_row_s, prompt_row_s] = solve(sums);
  if (!(prompt_row_s > 0)) return std::nullopt;
  const double decode_s = base_s + decode_row_s * static_cast<double>(decode_rows);
  constexpr double kMost = 1e9;
  return static_cast<int64_t>(std::clamp((factor - 1) * decode_s / prompt_row_s, 0.0, kMost));
}

}  // namespace tessera
