// Loading that is cancelled, or that a GPU does not let end.

#include <gmock/gmock.h>

#include "tessera/engine.h"
#include "tests/runtime/emulated_engine_fixture.h"
#include "tests/runtime/loaded_units.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CudaLoaderFaults : public CudaEngine {
 protected:
  CudaLoaderFaults() { set_up({.bytes = 64 * kMiB}); }
};

TEST_F(CudaLoaderFaults, StopsWhenCancelledOrWhenACardIsLost) {
  LoadedUnits gpus(golden_dir("yi_vl_tiny"), Precision::kInt8, three_gpus());
  CancelFlag cancel;
  cancel.cancel();
  EXPECT_THROW(gpus.load({}, &cancel), Cancelled);
  break_emulated_gpu(2, cudaErrorECCUncorrectable);
  EXPECT_THAT(error_of([&] { gpus.load(); }), AllOf(StartsWith("cuda:2: "), HasSubstr("ECC")));
}

TEST_F(CudaLoaderFaults, ACopyThatFailsIsTheLoadsError) {
  LoadedUnits gpus(golden_dir("yi_vl_tiny"), Precision::kInt8, three_gpus());
  inject_failure({.call = "cudaMemcpyAsync", .gpu = 1, .after = 3, .error = cudaErrorInvalidValue});
  EXPECT_THAT(error_of([&] { gpus.load(); }), StartsWith("cuda:1: a copy"));
  gpus.load();
}

// Another program takes the card between the plan and the load.
TEST_F(CudaLoaderFaults, ACardThatIsFullSaysWhatWasPlannedAndWhatOthersHold) {
  Plan plan;
  const EngineOptions options{.model_path = golden_dir("llama_tiny"),
                              .devices = "3xcuda:0@4MiB",
                              .precision = "f32",
                              .on_plan = [&](const Plan& made) {
                                plan = made;
                                hold_emulated_memory(0, 60 * kMiB);
                              }};
  const std::string line = error_of([&] { Engine::create(options); });
  hold_emulated_memory(0, 0);
  const auto stage = std::ranges::find_if(
      plan.stages, [&](const PlanStage& one) { return line.starts_with(one.device_name + ": "); });
  ASSERT_NE(stage, plan.stages.end()) << line;
  const StageBytes& bytes = stage->bytes;
  const uint64_t weights = bytes.weights + bytes.vision + bytes.embedding + bytes.head;
  EXPECT_THAT(line, AllOf(HasSubstr("planned are weights " + format_bytes(weights)),
                          HasSubstr("kv " + format_bytes(bytes.kv)),
                          HasSubstr("arena " + format_bytes(bytes.arena)),
                          HasSubstr("fixed " + format_bytes(bytes.fixed)),
                          HasSubstr("other devices' of this process, 60.0 MiB others'")));
}

}  // namespace
}  // namespace tessera
