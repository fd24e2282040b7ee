#include "runtime/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/isa.h"
#include "base/json.h"
#include "runtime/device_set.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

// A cache folder of the test's own.
class Calibration : public testing::Test {
 protected:
  Calibration() { ::setenv("XDG_CACHE_HOME", folder_.path("cache").c_str(), 1); }

  Json content() const { return read_json_file(calibration_file(), 1 << 20); }

  TempFolder folder_;
};

constexpr double kSpeed = 0.5;

TEST_F(Calibration, IsMeasuredOnceAndKept) {
  EXPECT_EQ(calibration_file(), folder_.path("cache") + "/tessera/rates.json");
  const KernelRates measured = calibrated_rates(1, best_isa(), kSpeed);
  EXPECT_GT(measured.flops(Precision::kBF16), 0);
  const KernelRates known = calibrated_rates(1, best_isa(), kSpeed);
  EXPECT_EQ(known.flops_per_s, measured.flops_per_s);
  EXPECT_EQ(known.read_bytes_per_s, measured.read_bytes_per_s);
  EXPECT_EQ(known.matmul_times, measured.matmul_times);
  EXPECT_EQ(known.values_per_s, measured.values_per_s);
  EXPECT_EQ(known.attention_flops_per_s, measured.attention_flops_per_s);
  EXPECT_EQ(known.attention_s, measured.attention_s);
  EXPECT_EQ(known.query_value_s, measured.query_value_s);
  EXPECT_EQ(known.score_s, measured.score_s);
  EXPECT_EQ(known.op_s, measured.op_s);
  EXPECT_EQ(known.row_s, measured.row_s);
  EXPECT_EQ(content()["rates"].size(), 1U);
}

TEST_F(Calibration, EachInstructionSetHasRatesOfItsOwn) {
  if (best_isa() == Isa::kPlain) GTEST_SKIP() << "this machine has one instruction set";
  const KernelRates best = calibrated_rates(1, best_isa(), kSpeed);
  const KernelRates plain = calibrated_rates(1, Isa::kPlain, kSpeed);
  EXPECT_LT(plain.flops(Precision::kF32), best.flops(Precision::kF32));
  EXPECT_EQ(calibrated_rates(1, best_isa(), kSpeed).flops_per_s, best.flops_per_s);
  EXPECT_EQ(calibrated_rates(1, Isa::kPlain, kSpeed).flops_per_s, plain.flops_per_s);
  const Json rates = content()["rates"];
  EXPECT_EQ(rates.size(), 2U);
  EXPECT_TRUE(rates.contains("1 threads"));
  EXPECT_TRUE(rates.contains("1 threads, plain"));
}

// What the planner counts with is that of the device's own instructions.
TEST_F(Calibration, ADeviceIsDescribedByItsInstructionSet) {
  if (best_isa() == Isa::kPlain) GTEST_SKIP() << "this machine has one instruction set";
  const DeviceSet set =
      open_devices(parse_devices("cpu@1MiB{threads=1},cpu@1MiB{threads=1;isa=plain}"));
  EXPECT_EQ(set.devices[0]->info().isa, best_isa());
  EXPECT_EQ(set.devices[1]->info().isa, Isa::kPlain);
  const std::vector<PlanDevice> described = describe_devices(set, KvFormat::kBF16).devices;
  EXPECT_EQ(described[0].flops_per_s, calibrated_rates(1, best_isa(), 1).flops_per_s);
  EXPECT_EQ(described[1].flops_per_s, calibrated_rates(1, Isa::kPlain, 1).flops_per_s);
  EXPECT_NE(described[0].flops_per_s, described[1].flops_per_s);
}

TEST_F(Calibration, WhatABusyMachineReachedIsSoonMeasuredAnew) {
  calibrated_rates(1, best_isa(), kSpeed);
  Json busy = content();
  Json& rates = busy["rates"]["1 threads"];
  rates["kv_bytes_per_s"][2] = 12345.0;
  rates["undisturbed"] = false;
  write_file_atomic(calibration_file(), busy.dump());
  EXPECT_EQ(calibrated_rates(1, best_isa(), kSpeed).kv(KvFormat::kInt8), 12345.0 * kSpeed);
  rates["measured_at"] = rates["measured_at"].get<int64_t>() - 3600;
  write_file_atomic(calibration_file(), busy.dump());
  EXPECT_NE(calibrated_rates(1, best_isa(), kSpeed).kv(KvFormat::kInt8), 12345.0 * kSpeed);
}

// A device of half the speed takes twice as long for everything.
TEST_F(Calibration, SpeedStretchesEveryTime) {
  const KernelRates half = calibrated_rates(1, best_isa(), 0.5);
  const KernelRates whole = calibrated_rates(1, best_isa(), 1);
  for (size_t p = 0; p < kPrecisionCount; ++p) {
    EXPECT_DOUBLE_EQ(half.flops_per_s[p], whole.flops_per_s[p] / 2);
    for (size_t i = 0; i < whole.matmul_times.seconds[p].size(); ++i)
      EXPECT_DOUBLE_EQ(half.matmul_times.seconds[p][i], 2 * whole.matmul_times.seconds[p][i]);
  }
  for (size_t kind = 0; kind < kValueKindCount; ++kind)
    EXPECT_DOUBLE_EQ(half.values_per_s[kind], whole.values_per_s[kind] / 2);
  EXPECT_DOUBLE_EQ(half.attention_s, 2 * whole.attention_s);
  EXPECT_DOUBLE_EQ(half.query_value_s, 2 * whole.query_value_s);
  EXPECT_DOUBLE_EQ(half.score_s, 2 * whole.score_s);
  EXPECT_DOUBLE_EQ(half.op_s, 2 * whole.op_s);
  EXPECT_DOUBLE_EQ(half.row_s, 2 * whole.row_s);
}

TEST_F(Calibration, AnotherMachinesRatesAreNotTaken) {
  calibrated_rates(1, best_isa(), kSpeed);
  Json other = content();
  other["machine"] = "a faster one";
  other["rates"]["1 threads"]["kv_bytes_per_s"][2] = 12345.0;
  write_file_atomic(calibration_file(), other.dump());
  EXPECT_NE(calibrated_rates(1, best_isa(), kSpeed).kv(KvFormat::kInt8), 12345.0 * kSpeed);
  EXPECT_NE(content()["machine"], "a faster one");
}

TEST_F(Calibration, WhatIsBrokenIsMeasuredAnew) {
  calibrated_rates(1, best_isa(), kSpeed);
  const std::string whole = content().dump();
  for (const std::string& text : {whole.substr(0, whole.size() / 2), std::string("[]")}) {
    write_file_atomic(calibration_file(), text);
    EXPECT_GT(calibrated_rates(1, best_isa(), kSpeed).flops(Precision::kF32), 0);
    EXPECT_EQ(content()["rates"].size(), 1U) << text;
  }
}

// Of a card, whose measurement the test makes.
TEST_F(Calibration, NumbersThatCannotBeAreMeasuredAnew) {
  int measured = 0;
  const auto rates = [&] {
    ++measured;
    KernelRates made = {.matmul_times = {.rows = {1, 2, 3, 4}, .widths = {1, 2, 3}},
                        .attention_flops_per_s = 7};
    for (MatmulTimes::Grid& grid : made.matmul_times.seconds) grid.fill(0.5);
    made.flops_per_s.fill(2);
    made.read_bytes_per_s.fill(3);
    made.kv_bytes_per_s.fill(4);
    made.values_per_s.fill(5);
    return made;
  };
  using Harm = void (*)(Json&);
  const Harm harms[] = {[](Json& r) { r["flops_per_s"][0] = -1; },
                        [](Json& r) { r["values_per_s"] = 5; },
                        [](Json& r) { r["values_per_s"][3] = 0; },
                        [](Json& r) { r.erase("matmul_s"); },
                        [](Json& r) { r["matmul_s"].erase("int4"); },
                        [](Json& r) { r["matmul_s"]["int4"][7] = 0; },
                        [](Json& r) { r["matmul_s"]["int4"][7] = 1e9; },
                        [](Json& r) { r["matmul_s"]["int4"].push_back(1); },
                        [](Json& r) {
                          r["matmul_rows"] = {1, 3, 2, 4};
                        },
                        [](Json& r) { r["matmul_rows"][0] = 0; },
                        [](Json& r) {
                          r["matmul_widths"] = {1, 2, 2};
                        },
                        [](Json& r) {
                          r["matmul_widths"] = {1, 2};
                        },
                        [](Json& r) { r["attention_s"] = -1; },
                        [](Json& r) { r["query_value_s"] = "fast"; },
                        [](Json& r) { r["score_s"] = 2; },
                        [](Json& r) { r.erase("row_s"); }};
  calibrated_card_rates("card", rates);
  const Json whole = content();
  for (const Harm& harm : harms) {
    Json wrong = whole;
    harm(*wrong["rates"].begin());
    write_file_atomic(calibration_file(), wrong.dump());
    const int before = measured;
    calibrated_card_rates("card", rates);
    EXPECT_EQ(measured, before + 1) << &harm - harms;
    calibrated_card_rates("card", rates);
    EXPECT_EQ(measured, before + 1) << &harm - harms;
  }
}

// Of GPUs, whose links open_devices' emulated ones measure each time.
TEST_F(Calibration, ALinkIsMeasuredOnceInEachDirection) {
  int measured = 0;
  const auto link = [&](const char* from_to) {
    return calibrated_link(
        from_to, [&] { return Link{.bytes_per_s = 1e9 * ++measured, .latency_s = 1e-6}; });
  };
  EXPECT_EQ(link("host to GPU-1").bytes_per_s, 1e9);
  EXPECT_EQ(link("GPU-1 to host").bytes_per_s, 2e9);
  EXPECT_EQ(link("host to GPU-1").bytes_per_s, 1e9);
  EXPECT_EQ(link("host to GPU-1").latency_s, 1e-6);
  EXPECT_EQ(measured, 2);
  Json broken = content();
  broken["links"]["host to GPU-1"]["bytes_per_s"] = 0;
  write_file_atomic(calibration_file(), broken.dump());
  EXPECT_EQ(link("host to GPU-1").bytes_per_s, 3e9);
  EXPECT_EQ(link("GPU-1 to host").bytes_per_s, 2e9);
}

TEST_F(Calibration, AFolderThatCannotBeWrittenCostsNothingElse) {
  ::setenv("XDG_CACHE_HOME", "/dev/null", 1);
  EXPECT_GT(calibrated_rates(1, best_isa(), kSpeed).kv(KvFormat::kInt8), 0);
}

}  // namespace
}  // namespace tessera
