// Serving on emulated GPUs.

#include <gmock/gmock.h>

#include "base/clock.h"
#include "tests/runtime/emulated_engine_fixture.h"
#include "tests/runtime/heard.h"
#include "tests/runtime/serving_mix.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CudaServing : public CudaEngine {
 protected:
  CudaServing() {
    set_up({.bytes = 64 * kMiB});
    engine_ = Engine::create(
        {.model_path = golden_dir(kText.checkpoint), .devices = "3xcuda@4MiB", .precision = "f32"});
  }
  AnswerSummary ask() {
    auto heard = std::make_shared<Heard>();
    engine_->submit(question(kText), heard);
    return heard->wait();
  }
  /// Breaks a GPU that layers lie on; its device's name.
  std::string lose_a_gpu() {
    const std::vector<DeviceReport> devices = engine_->devices();
    const auto used = std::ranges::find_if(devices, [](const DeviceReport& device) {
      return device.last_layer >= device.first_layer;
    });
    break_emulated_gpu(static_cast<int>(used - devices.begin()), cudaErrorECCUncorrectable);
    return used->name;
  }

  std::unique_ptr<Engine> engine_;
};

// Prefixes from the cache, some sequences put back and computed again, some cancelled.
TEST_F(CudaEngine, AMixOfRequestsGetsTheAnswersThatAreGivenAlone) {
  set_up({.bytes = 64 * kMiB});
  serve_mix({.devices = "3xcuda@4MiB",
             .context = 256,
             .sequences = 1,
             .running = 6,
             .chunk_tokens = 48,
             .prefix_cache = true,
             .checkpoint = "llama_tiny",
             .bursts = 1,
             .before = "A question about the sea, the wind and the birds over the harbour: "});
}

TEST_F(CudaServing, ALostCardIsToldWithoutAnyRequest) {
  EXPECT_FALSE(ask().error);
  const uint64_t before = emulated_calls("cudaMemGetInfo");
  sleep_until_s(now_s() + 1.2);
  EXPECT_TRUE(engine_->status().ready);
  const auto asked = [&] { return emulated_calls("cudaMemGetInfo") - before; };
  EXPECT_LE(asked(), 3U * 3);  // one a card, twice a second
  for (int tries = 0; asked() < 3 && tries < 500; ++tries) sleep_until_s(now_s() + 0.02);
  EXPECT_GE(asked(), 3U);

  const std::string lost = lose_a_gpu();
  const double lost_s = now_s();
  while (engine_->status().ready && now_s() < lost_s + 10) sleep_until_s(now_s() + 0.02);
  EXPECT_LT(now_s() - lost_s, 2);  // 0.5 s, and what a busy machine adds
  const EngineStatus status = engine_->status();
  EXPECT_FALSE(status.ready);
  EXPECT_THAT(status.why_not, AllOf(StartsWith(lost + ": "), HasSubstr("ECC")));
  EXPECT_EQ(error_of([&] { engine_->submit(question(kText), std::make_shared<Heard>()); }),
            status.why_not);
}

TEST_F(CudaServing, ALostCardIsToldBeforeTheFirstRequest) {
  EXPECT_TRUE(engine_->status().ready);
  const std::string lost = lose_a_gpu();
  EXPECT_FALSE(engine_->status().ready);
  EXPECT_THAT(engine_->status().why_not, StartsWith(lost + ": "));
}

}  // namespace
}  // namespace tessera
