// Serving on emulated GPUs.

#include <gmock/gmock.h>

#include "base/clock.h"
#include "runtime/serving_loop.h"
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

// The streams are opened anew, the tower's as well.
TEST_F(CudaEngine, APictureThatFailsEndsItsOwnRequestAlone) {
  constexpr int64_t kContext = 512;
  TestEngine engine(kPictureDir, {.layers = {3, 3, 0}, .vision = 2, .embedding = 0}, Precision::kBF16,
                    64, 2, 2, {}, open_next_gpu);
  ServingLoop loop({}, engine.pipeline(), engine.blocks(), kContext);
  const auto& tower = *engine.model().config.vision;
  const std::vector<float> pixels(
      static_cast<size_t>(tower.channels * tower.image_size * tower.image_size));
  const auto ask = [&](Request request) {
    PreparedRequest prepared = prepare_request(engine.model(), engine.tokenizer(), kContext,
                                               request, Tokenizer::Specials::kAsText);
    std::vector<PictureUse> pictures;
    for (const Message& message : request.messages)
      for (const Picture& picture : message.pictures)
        pictures.push_back(
            loop.pictures().find_or_add(picture, [&](const Picture&) { return pixels; }));
    auto heard = std::make_shared<Heard>();
    loop.submit(std::make_shared<ServedRequest>(loop.next_id(), std::move(request),
                                                std::move(prepared), std::move(pictures), heard,
                                                engine.tokenizer()));
    return heard->wait();
  };
  inject_failure({.call = "cudaMemcpyAsync", .gpu = 2, .error = cudaErrorInvalidValue});
  const AnswerSummary failed = ask(question(kPicture));
  ASSERT_TRUE(failed.error);
  EXPECT_THAT(Error(*failed.error).what(),
              AllOf(StartsWith("cuda:2: "), HasSubstr("cudaErrorInvalidValue")));
  EXPECT_FALSE(ask({.prompt_text = "one two", .temperature = 0, .max_new_tokens = 2}).error);
  EXPECT_TRUE(loop.status().ready) << loop.status().why_not;
  engine.pipeline().vision().encode(pixels)->ready->synchronize();
  engine.pipeline().vision().check();
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
