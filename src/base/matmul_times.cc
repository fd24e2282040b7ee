#include "base/matmul_times.h"

#include <algorithm>
#include <cassert>

namespace tessera {
namespace {

/// Two neighbours and the second's share.
struct Between {
  size_t first = 0;
  double share = 0;

  double mix(double low, double high) const { return low + share * (high - low); }
};

template <size_t kPoints>
Between place(const std::array<double, kPoints>& points, double at) {
  size_t first = 0;
  while (first + 2 < kPoints && points[first + 1] <= at) ++first;
  const double share = (at - points[first]) / (points[first + 1] - points[first]);
  return {first, std::clamp(share, 0.0, 1.0)};
}

}  // namespace

double MatmulTimes::at(Precision precision, double row_count, double in, double out) const {
  assert(measured());
  const Grid& grid = seconds[static_cast<size_t>(precision)];
  const Between row = place(rows, row_count), inputs = place(widths, in),
                outputs = place(widths, out);
  const auto of_rows = [&](size_t r) {
    const auto of_inputs = [&](size_t i) {
      return outputs.mix(grid[index(r, i, outputs.first)], grid[index(r, i, outputs.first + 1)]);
    };
    return inputs.mix(of_inputs(inputs.first), of_inputs(inputs.first + 1));
  };
  const auto beyond = [](double at, double last) { return std::max(at / last, 1.0); };
  return row.mix(of_rows(row.first), of_rows(row.first + 1)) * beyond(row_count, rows.back()) *
         beyond(in, widths.back()) * beyond(out, widths.back());
}

void MatmulTimes::settle(Precision precision) {
  Grid& grid = seconds[static_cast<size_t>(precision)];
  for (size_t row = kRowCounts; row-- > 0;)
    for (size_t in = kWidths; in-- > 0;)
      for (size_t out = kWidths; out-- > 0;) {
        double& least = grid[index(row, in, out)];
        if (row + 1 < kRowCounts) least = std::min(least, grid[index(row + 1, in, out)]);
        if (in + 1 < kWidths) least = std::min(least, grid[index(row, in + 1, out)]);
        if (out + 1 < kWidths) least = std::min(least, grid[index(row, in, out + 1)]);
      }
}

}  // namespace tessera
