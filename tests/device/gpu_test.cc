#include "device/gpu.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

TEST(Gpu, AsksTheDriversLibrary) {
  for (int round = 0; round < 2; ++round) {  // shut down, and unloaded, in between
    const std::vector<GpuInfo> gpus = find_gpus(TESSERA_NVML_TWO_GPUS);
    ASSERT_EQ(gpus.size(), 2U);
    EXPECT_EQ(gpus[0].name, "NVIDIA GeForce RTX 3090");
    EXPECT_EQ(gpus[1].name, "NVIDIA H100 80GB HBM3");
    EXPECT_EQ(gpus[1].index, 1);
    EXPECT_EQ(gpus[1].uuid, "GPU-2222");
    EXPECT_EQ(gpus[1].memory_bytes, uint64_t{80} << 30);
    EXPECT_EQ(gpus[1].free_bytes, uint64_t{79} << 30);
    EXPECT_EQ(gpus[1].driver_version, "580.65.06");
  }
}

TEST(Gpu, LeavesTheDriversLibraryShutDown) {
  void* library = dlopen(TESSERA_NVML_TWO_GPUS, RTLD_NOW);  // stays loaded, keeps its count
  ASSERT_NE(library, nullptr);
  const auto initialised = reinterpret_cast<int (*)()>(dlsym(library, "fake_nvml_initialised"));
  ASSERT_NE(initialised, nullptr);
  EXPECT_EQ(find_gpus(TESSERA_NVML_TWO_GPUS).size(), 2U);
  EXPECT_EQ(initialised(), 0);
  dlclose(library);
}

TEST(Gpu, NoLibraryOrNoDriverMeansNone) {
  EXPECT_TRUE(find_gpus("libno-such-library.so.1").empty());
  EXPECT_TRUE(find_gpus(TESSERA_NVML_NO_DRIVER).empty());
}

TEST(Gpu, ADriverThatRefusesIsAnError) {
  EXPECT_EQ(error_of([] { find_gpus(TESSERA_NVML_BROKEN); }),
            std::string(TESSERA_NVML_BROKEN) +
                ": nvmlInit_v2: found Driver/library version mismatch (nvidia-smi should say the "
                "same; until it works, use cpu devices)");
  EXPECT_EQ(error_of([] { find_gpus("libm.so.6"); }),
            "libm.so.6: nvmlShutdown: expected a function of NVML, found none (is the NVIDIA "
            "driver very old?)");
}

TEST(Gpu, ADriverThatRefusesIsAWarningToThoseWhoDoWithout) {
  std::vector<std::string> lines;
  const LogSink log = [&](LogLevel level, std::string_view line) {
    EXPECT_EQ(level, LogLevel::kWarning);
    lines.emplace_back(line);
  };
  EXPECT_EQ(find_gpus_or_warn(log, TESSERA_NVML_TWO_GPUS).size(), 2U);
  EXPECT_TRUE(lines.empty());
  EXPECT_TRUE(find_gpus_or_warn(log, TESSERA_NVML_BROKEN).empty());
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("version mismatch"), std::string::npos) << lines[0];
  EXPECT_TRUE(find_gpus_or_warn({}, TESSERA_NVML_BROKEN).empty());
}

}  // namespace
}  // namespace tessera
