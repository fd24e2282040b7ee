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
  Json wrong = content();
  wrong["rates"]["1 threads"]["flops_per_s"][0] = -1;
  for (const std::string& text :
       {whole.substr(0, whole.size() / 2), std::string("[]"), std::string(), wrong.dump()}) {
    write_file_atomic(calibration_file(), text);
    EXPECT_GT(calibrated_rates(1, best_isa(), kSpeed).flops(Precision::kF32), 0);
    EXPECT_EQ(content()["rates"].size(), 1U) << text;
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
