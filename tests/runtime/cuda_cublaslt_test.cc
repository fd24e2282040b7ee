// Engines over emulated GPUs whose many rows of bf16 go to cuBLASLt's stand-in.

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/json.h"
#include "runtime/calibration.h"
#include "runtime/device_set.h"
#include "tests/runtime/emulated_engine_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CudaCublasLt : public CudaEngine {
 protected:
  static std::unique_ptr<Engine> engine(const Recorded& recorded, const std::string& devices) {
    return Engine::create(
        {.model_path = golden_dir(recorded.checkpoint), .devices = devices, .precision = "bf16"});
  }
};

// 349 tokens with a picture, whose tower has biases; then nine tokens, which are few rows.
TEST_F(CudaCublasLt, GivesTheTokensOfOwnKernelsWithinThePlan) {
  for (const auto& [recorded, many] : {std::pair{&kPicture, true}, {&kText, false}}) {
    SCOPED_TRACE(recorded->name);
    set_up({.bytes = 64 * kMiB});
    const Request request = question(*recorded);
    const std::vector<int32_t> want = engine(*recorded, "3xcuda")->generate(request).token_ids;
    EXPECT_EQ(emulated_calls("cublasLtMatmul"), 0U);
    for (const char* devices :
         {"3xcuda{gemm=cublaslt}", "2xcuda:1@16MiB{gemm=cublaslt;graphs=on}"}) {
      SCOPED_TRACE(devices);
      const auto engine = this->engine(*recorded, devices);
      EXPECT_EQ(engine->generate(request).token_ids, want);
      for (const DeviceReport& device : engine->devices()) {
        EXPECT_LE(device.measured_peak_bytes, device.planned_bytes) << device.name;
        EXPECT_LE(device.measured_peak_bytes, device.budget_bytes) << device.name;
      }
    }
    EXPECT_EQ(emulated_calls("cublasLtMatmul") > 0, many);
  }
}

// Which algorithms there are is the library's business, not the answer's.
TEST_F(CudaCublasLt, ShapesWithoutAnAlgorithmAreComputedByOwnKernels) {
  const Request request = question(kPicture);
  const Answer want = engine(kPicture, "2xcuda")->generate(request);
  const auto some = engine(kPicture, "2xcuda{gemm=cublaslt}");
  for (int after = 0; after < 3; ++after)
    inject_failure(
        {.call = "cublasLtMatmulAlgoGetHeuristic", .after = after, .error = cudaErrorNotSupported});
  EXPECT_EQ(some->generate(request).token_ids, want.token_ids);
  EXPECT_GT(emulated_calls("cublasLtMatmul"), 0U);
}

TEST_F(CudaCublasLt, AFailedCallIsTheRequestsError) {
  const auto engine = this->engine(kPicture, "2xcuda{gemm=cublaslt}");
  inject_failure({.call = "cublasLtMatmul", .gpu = 1, .error = cudaErrorUnknown});
  EXPECT_THAT(error_of([&] { engine->generate(question(kPicture)); }),
              AllOf(StartsWith("cuda:1: "), HasSubstr("by cuBLASLt: found the function failed to "
                                                      "launch on the GPU")));
}

// Plans count with what runs: rates of the mode are measured in it, and have a name of their own.
TEST_F(CudaCublasLt, RatesAreMeasuredInTheModeAndKeptApart) {
  const TempFolder folder;
  const char* const before = std::getenv("XDG_CACHE_HOME");  // NOLINT(concurrency-mt-unsafe)
  const std::string kept = before != nullptr ? before : "";
  ::setenv("XDG_CACHE_HOME", folder.path("cache").c_str(), 1);
  const DeviceSet set = open_devices(parse_devices("cuda@8MiB,cuda@8MiB{gemm=cublaslt}"));
  EXPECT_FALSE(set.devices[0]->info().cublaslt);
  EXPECT_TRUE(set.devices[1]->info().cublaslt);
  EXPECT_EQ(emulated_calls("cublasLtCreate"), 1U);
  const auto rates_and_links = describe_devices(set, KvFormat::kBF16);
  EXPECT_GT(rates_and_links.devices[1].flops_per_s[static_cast<size_t>(Precision::kBF16)], 0);
  const Json rates = read_json_file(calibration_file(), 1 << 20)["rates"];
  EXPECT_EQ(rates.size(), 2U);
  for (const char* const name : {"Emulated GPU, kernels ", "Emulated GPU, cublaslt, kernels "}) {
    int named = 0;
    for (const auto& entry : rates.items()) named += entry.key().starts_with(name) ? 1 : 0;
    EXPECT_EQ(named, 1) << name;
  }
  EXPECT_GT(emulated_calls("cublasLtCreate"), 1U);
  if (before != nullptr)
    ::setenv("XDG_CACHE_HOME", kept.c_str(), 1);
  else
    ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace tessera
