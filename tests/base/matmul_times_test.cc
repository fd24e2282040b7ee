#include "base/matmul_times.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tessera {
namespace {

// Seconds that are linear in each of the three, so that what lies between is known:
// t = (1 + r) (2 + i) (3 + o).
double formula(double row_count, double in, double out) {
  return (1 + row_count) * (2 + in) * (3 + out);
}

MatmulTimes some_times() {
  MatmulTimes times = {.rows = {1, 4, 10, 100}, .widths = {8, 32, 128}};
  for (size_t p = 0; p < kPrecisionCount; ++p)
    for (size_t r = 0; r < MatmulTimes::kRowCounts; ++r)
      for (size_t i = 0; i < MatmulTimes::kWidths; ++i)
        for (size_t o = 0; o < MatmulTimes::kWidths; ++o)
          times.seconds[p][MatmulTimes::index(r, i, o)] =
              static_cast<double>(p + 1) * formula(times.rows[r], times.widths[i], times.widths[o]);
  return times;
}

constexpr double kBF16Factor = 2;  // the second of the precisions

TEST(MatmulTimes, AreLinearBetweenWhatWasMeasured) {
  const MatmulTimes times = some_times();
  for (const double row_count : {1.0, 2.5, 4.0, 9.0, 10.0, 55.0, 100.0})
    for (const double in : {8.0, 9.0, 32.0, 100.0, 128.0})
      for (const double out : {8.0, 31.0, 32.0, 64.0, 128.0})
        EXPECT_NEAR(times.at(Precision::kBF16, row_count, in, out),
                    kBF16Factor * formula(row_count, in, out), 1e-9 * formula(100, 128, 128))
            << row_count << " rows, " << in << " to " << out;
}

TEST(MatmulTimes, BeyondTheLastPointGrowAsTheWork) {
  const MatmulTimes times = some_times();
  const double last = times.at(Precision::kF32, 100, 128, 128);
  EXPECT_DOUBLE_EQ(times.at(Precision::kF32, 250, 128, 128), 2.5 * last);
  EXPECT_DOUBLE_EQ(times.at(Precision::kF32, 100, 384, 128), 3 * last);
  EXPECT_DOUBLE_EQ(times.at(Precision::kF32, 100, 128, 512), 4 * last);
  EXPECT_DOUBLE_EQ(times.at(Precision::kF32, 200, 256, 256), 8 * last);
  // Beyond one, between the points of others.
  EXPECT_DOUBLE_EQ(times.at(Precision::kF32, 55, 256, 64), 2 * formula(55, 128, 64));
}

TEST(MatmulTimes, BeforeTheFirstPointTakeItsTime) {
  const MatmulTimes times = some_times();
  EXPECT_EQ(times.at(Precision::kF32, 0, 8, 8), formula(1, 8, 8));
  EXPECT_EQ(times.at(Precision::kF32, 1, 1, 2), formula(1, 8, 8));
}

TEST(MatmulTimes, ThatWereDisturbedAreThoseOfTheNextLargerMatmul) {
  MatmulTimes times = some_times();
  auto& grid = times.seconds[static_cast<size_t>(Precision::kF32)];
  const auto at = [&](size_t r, size_t i, size_t o) -> double& {
    return grid[MatmulTimes::index(r, i, o)];
  };
  const MatmulTimes before = times;
  times.settle(Precision::kF32);
  EXPECT_EQ(times, before);  // nothing to mend

  at(1, 0, 1) = 1e9;  // least beside it: the same with more outputs
  at(0, 2, 2) = 1e9;  // more rows
  at(2, 1, 2) = 1e9;  // more inputs
  times.settle(Precision::kF32);
  EXPECT_EQ(at(1, 0, 1), std::min({formula(10, 8, 32), formula(4, 32, 32), formula(4, 8, 128)}));
  EXPECT_EQ(at(0, 2, 2), formula(4, 128, 128));
  EXPECT_EQ(at(2, 1, 2), std::min(formula(100, 32, 128), formula(10, 128, 128)));

  at(3, 2, 2) = formula(1, 8, 8) / 2;  // then all are that fast at most
  times.settle(Precision::kF32);
  for (const double seconds : grid) EXPECT_EQ(seconds, formula(1, 8, 8) / 2);
  EXPECT_EQ(times.seconds[1], before.seconds[1]);  // each precision alone
}

TEST(MatmulTimes, SayWhetherThereAreAny) {
  EXPECT_FALSE(MatmulTimes().measured());
  EXPECT_TRUE(some_times().measured());
}

}  // namespace
}  // namespace tessera
