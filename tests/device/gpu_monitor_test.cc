#include "device/gpu_monitor.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/device/fake_root.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

TEST(GpuMonitor, ReadsWhatTheDriverTells) {
  const GpuMonitor monitor(TESSERA_NVML_TWO_GPUS);
  for (int round = 0; round < 2; ++round) {
    const std::vector<GpuTelemetry> gpus = monitor.read();
    ASSERT_EQ(gpus.size(), 2U);
    const GpuTelemetry& gpu = gpus[0];
    EXPECT_EQ(gpu.index, 0);
    EXPECT_EQ(gpu.temperature_c, 71);
    EXPECT_DOUBLE_EQ(gpu.power_w.value(), 348.6);
    EXPECT_DOUBLE_EQ(gpu.power_limit_w.value(), 350);
    EXPECT_EQ(gpu.clock_mhz, 1395);
    EXPECT_EQ(gpu.most_clock_mhz, 2100);
    EXPECT_THAT(gpu.slowed_by, Optional(ElementsAre("power limit", "heat")));
    EXPECT_EQ(gpu.busy_percent, 97);
    EXPECT_EQ(gpu.foreign_busy_percent, 30);          // now; of before, more
    EXPECT_EQ(gpu.foreign_bytes, uint64_t{3} << 28);  // of 1 GiB in use, all but this process's
    EXPECT_EQ(gpu.foreign_processes, 1);
    EXPECT_EQ(gpu.pcie.value().generation, 1);  // idle
    EXPECT_EQ(gpu.pcie.value().lanes, 8);
    EXPECT_EQ(gpu.most_pcie.value().generation, 4);
    EXPECT_EQ(gpu.most_pcie.value().lanes, 16);
    EXPECT_EQ(gpu.nvlinks, 2);
    EXPECT_THAT(gpu.paths, ElementsAre(std::nullopt, GpuPath::kNvLink));
  }
}

// In a container, where this process is 1 and the driver knows it by its number outside.
TEST(GpuMonitor, KnowsItsProcessByEachOfItsPids) {
  void* library = dlopen(TESSERA_NVML_TWO_GPUS, RTLD_NOW);  // keeps what is set
  ASSERT_NE(library, nullptr);
  const auto know_as = reinterpret_cast<void (*)(int)>(dlsym(library, "fake_nvml_know_as"));
  FakeRoot root;
  root.write("/proc/self/status", "Name:\ttessera\nNSpid:\t4194000\t4193017\t1\nThreads:\t3\n");
  for (const int pid : {1, 4'193'017, 4'194'000}) {
    know_as(pid);
    const GpuTelemetry gpu = GpuMonitor(TESSERA_NVML_TWO_GPUS, root.path()).read().at(0);
    EXPECT_EQ(gpu.foreign_bytes, uint64_t{3} << 28) << pid;
    EXPECT_EQ(gpu.foreign_processes, 1) << pid;
    EXPECT_EQ(gpu.foreign_busy_percent, 30) << pid;
  }
  // Where nothing tells of that number, the process is another.
  const FakeRoot empty;
  EXPECT_EQ(GpuMonitor(TESSERA_NVML_TWO_GPUS, empty.path()).read().at(0).foreign_processes, 2);
  know_as(0);
  dlclose(library);
}

TEST(GpuMonitor, WhatIsNotToldIsAbsent) {
  const GpuTelemetry gpu = GpuMonitor(TESSERA_NVML_TWO_GPUS).read().at(1);
  EXPECT_EQ(gpu.index, 1);
  EXPECT_FALSE(gpu.temperature_c || gpu.power_w || gpu.power_limit_w || gpu.clock_mhz ||
               gpu.most_clock_mhz || gpu.slowed_by || gpu.busy_percent ||
               gpu.foreign_busy_percent || gpu.foreign_processes || gpu.pcie || gpu.most_pcie);
  EXPECT_EQ(gpu.nvlinks, 0);
  EXPECT_EQ(gpu.foreign_bytes, uint64_t{1} << 30);
}

TEST(GpuMonitor, AnOldDriverTellsLess) {
  const GpuTelemetry gpu = GpuMonitor(TESSERA_NVML_OLD).read().at(0);
  EXPECT_EQ(gpu.temperature_c, 71);
  EXPECT_THAT(gpu.slowed_by, Optional(ElementsAre("heat")));  // an idle GPU is not slowed down
  EXPECT_FALSE(gpu.power_w || gpu.foreign_processes || gpu.pcie);
  EXPECT_THAT(gpu.paths, ElementsAre(std::nullopt, GpuPath::kHostBridge));
}

TEST(GpuMonitor, WithoutADriverThereIsNothing) {
  EXPECT_TRUE(GpuMonitor("libno-such-library.so.1").read().empty());
  EXPECT_TRUE(GpuMonitor(TESSERA_NVML_NO_DRIVER).read().empty());
  EXPECT_THAT(error_of([] { GpuMonitor{TESSERA_NVML_BROKEN}; }), HasSubstr("version mismatch"));
}

TEST(GpuMonitor, ALostGpuIsAnError) {
  const GpuMonitor monitor(TESSERA_NVML_LOST);
  EXPECT_EQ(monitor.read().size(), 2U);
  void* library = dlopen(TESSERA_NVML_LOST, RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr);
  reinterpret_cast<void (*)()>(dlsym(library, "fake_nvml_lose_gpus"))();
  EXPECT_EQ(error_of([&] { monitor.read(); }),
            std::string(TESSERA_NVML_LOST) +
                ": nvmlDeviceGetTemperature: found GPU is lost (nvidia-smi should say the same; "
                "until it works, use cpu devices)");
  dlclose(library);
}

}  // namespace
}  // namespace tessera
