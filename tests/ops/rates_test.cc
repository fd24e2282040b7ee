#include "ops/rates.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace tessera {
namespace {

TEST(Rates, AreMeasuredAndLeaveNothingBooked) {
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 128 * kMiB});
  const KernelRates rates = measure_kernel_rates(*device);
  // The slowest machine that could run this at all, and ten times the fastest core.
  EXPECT_GT(rates.flops(Precision::kF32), 1e7);
  EXPECT_LT(rates.flops(Precision::kF32), 2e12);
  EXPECT_GT(rates.flops(Precision::kBF16), 1e7);
  EXPECT_LT(rates.flops(Precision::kBF16), 4e12);
  for (const Precision precision : kPrecisions) {
    EXPECT_GT(rates.read(precision), 1e7) << precision_name(precision);
    EXPECT_LT(rates.read(precision), 1e12) << precision_name(precision);
  }
  EXPECT_GT(rates.attention_flops_per_s, 1e7);
  EXPECT_LT(rates.attention_flops_per_s, 4e12);
  for (const KvFormat format : kKvFormats) {
    EXPECT_GT(rates.kv(format), 1e7) << kv_format_name(format);
    EXPECT_LT(rates.kv(format), 1e12) << kv_format_name(format);
  }
  for (const double rate : rates.values_per_s) {
    EXPECT_GT(rate, 1e6);
    EXPECT_LT(rate, 1e12);
  }
  EXPECT_GT(rates.attention_s, 1e-8);
  EXPECT_LT(rates.attention_s, 1e-2);
  EXPECT_LT(rates.query_value_s, 1e-6);
  EXPECT_LT(rates.score_s, 1e-5);
  EXPECT_GT(rates.op_s, 1e-8);
  EXPECT_LT(rates.op_s, 1e-2);
  EXPECT_LT(rates.row_s, 1e-3);
  EXPECT_EQ(device->ledger().used_bytes(), 0U);
  EXPECT_LE(device->ledger().peak_bytes(), 96 * kMiB + kRatesBytes);

  const MatmulTimes& times = rates.matmul_times;
  ASSERT_TRUE(times.measured());
  const double rows = times.rows.back(), wide = times.widths.back(), narrow = times.widths[0];
  for (const Precision precision : kPrecisions) {
    // A thousand times the work: not less than three times as long on any machine.
    EXPECT_GT(times.at(precision, rows, wide, wide), 3 * times.at(precision, rows, narrow, narrow))
        << precision_name(precision);
    EXPECT_GT(times.at(precision, rows, wide, wide), times.at(precision, 1, wide, wide))
        << precision_name(precision);
    EXPECT_DOUBLE_EQ(rates.flops(precision),
                     2 * rows * wide * wide / times.at(precision, rows, wide, wide));
  }
}

TEST(Rates, ASimulatedDeviceHasNone) {
  const auto device = open_simulated_device(
      {.name = "sim:0", .kind = DeviceKind::kSimulated, .budget_bytes = 128 * kMiB});
  EXPECT_EQ(measure_kernel_rates(*device).flops(Precision::kBF16), 0);
}

}  // namespace
}  // namespace tessera
