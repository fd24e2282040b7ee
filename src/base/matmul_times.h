#pragma once

#include <array>
#include <cstddef>

#include "tessera/precision.h"

namespace tessera {

/// Seconds that matmuls took on one device at a few numbers of rows and widths, and what follows
/// for others. No rate says that: a few rows wait for the weights, narrow matrices for their ends.
struct MatmulTimes {
  static constexpr size_t kRowCounts = 4, kWidths = 3;
  /// [number of rows][width of the inputs][width of the outputs]
  using Grid = std::array<double, kRowCounts * kWidths * kWidths>;

  std::array<double, kRowCounts> rows = {};        ///< ascending, the first at least 1
  std::array<double, kWidths> widths = {};         ///< the same, of inputs and of outputs
  std::array<Grid, kPrecisionCount> seconds = {};  ///< of one matmul, by the weights' precision

  static constexpr size_t index(size_t row, size_t in, size_t out) {
    return (row * kWidths + in) * kWidths + out;
  }

  bool measured() const { return rows[0] > 0; }

  /// Linear in rows, in inputs and in outputs between the points, as the work is. Beyond the last
  /// point each row, input and output takes as long as up to there; before the first, what is there
  /// takes as long as the first.
  double at(Precision precision, double row_count, double in, double out) const;

  /// A matmul takes no longer than one of more rows, inputs or outputs: where it seemed to, it was
  /// disturbed, and is given the time of the larger one.
  void settle(Precision precision);

  bool operator==(const MatmulTimes&) const = default;
};

}  // namespace tessera
