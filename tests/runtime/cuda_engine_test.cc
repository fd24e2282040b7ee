// Engines over emulated GPUs: the same answers for every link and order, and what becomes of them
// when something fails.

#include <gmock/gmock.h>

#include "tests/runtime/emulated_engine_fixture.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// The tower of a picture gives way to the steps of who decodes on the same card.
TEST_F(CudaEngine, TheVisionStreamGivesWayToTheOthersOfItsCard) {
  const LayerSplit split = {.layers = {3, 3}, .vision = 1, .embedding = 0};
  TestEngine engine(kPictureDir, split, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  for (int round = 0; round < 2; ++round) {
    std::vector<int> with_vision = emulated_stream_priorities(1);
    std::ranges::sort(with_vision);
    ASSERT_GE(with_vision.size(), 3U);  // compute, send, vision
    const int vision = with_vision.back(), compute = with_vision.front();
    EXPECT_GT(vision, compute);  // a greater number is a lower priority
    EXPECT_EQ(std::ranges::count(with_vision, vision), 1);
    for (const int priority : emulated_stream_priorities(0)) EXPECT_EQ(priority, compute);
    engine.pipeline().recover();  // opens them anew
  }
}

TEST_F(CudaEngine, CardsThatDoNotSeeEachOtherGiveTheSameBits) {
  const Request request = question(kText);
  const LayerSplit split = {.layers = {1, 1, 2}, .embedding = 2};
  TestEngine seeing(kTextDir, split, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  const Answer want = seeing.ask(request);
  for (int gpu = 0; gpu < 3; ++gpu)
    for (int peer = 0; peer < 3; ++peer) forbid_emulated_peer(gpu, peer);
  TestEngine blind(kTextDir, split, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  const Answer got = blind.ask(request);
  EXPECT_EQ(got.token_ids, want.token_ids);
  EXPECT_EQ(got.first_logits, want.first_logits);
}

// Streams take turns in other orders: whoever reads before it may reads something else.
TEST_F(CudaEngine, NoOrderOfStreamsChangesABit) {
  const LayerSplit split = {.layers = {1, 1, 2}, .embedding = 2};
  std::optional<Answer> first;
  for (const auto& [order, seed] : {std::pair{ThreadOrder::kForward, 1},
                                    {ThreadOrder::kReverse, 1},
                                    {ThreadOrder::kRandom, 2},
                                    {ThreadOrder::kRandom, 3}}) {
    SCOPED_TRACE(seed);
    set_up({.order = order, .seed = static_cast<uint64_t>(seed)});
    TestEngine engine(kTextDir, split, Precision::kF32, 2, 1, 2, {}, open_next_gpu);
    const Answer answer = engine.ask(question(kText));
    if (!first) first = answer;
    EXPECT_EQ(answer.token_ids, first->token_ids);
    EXPECT_EQ(answer.first_logits, first->first_logits);
  }
}

// Two pictures one after the other, their rows wanted at once: the second one's pixels come into
// the place of the first one's, and a few of the rows stand in prompts.
TEST_F(CudaEngine, NoOrderMixesUpPicturesOrTakesTheirRowsTooEarly) {
  const ModelSpec model = describe_model(read_model_config(kPictureDir));
  std::vector<std::vector<float>> pixels(
      2, std::vector<float>(
             static_cast<size_t>(model.config.vision->channels * model.config.vision->image_size *
                                 model.config.vision->image_size)));
  for (size_t i = 0; i < pixels[0].size(); ++i)
    for (size_t picture = 0; picture < 2; ++picture)
      pixels[picture][i] = static_cast<float>((i * 37 + picture * 11) % 101) / 50 - 1;
  std::vector<float> first;
  for (const ThreadOrder order :
       {ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kRandom}) {
    SCOPED_TRACE(static_cast<int>(order));
    set_up({.order = order, .seed = 4});
    TestEngine engine(kPictureDir, {.layers = {3, 3}, .vision = 1, .embedding = 0},
                      Precision::kBF16, 64, 1, 2, {}, open_next_gpu);
    std::vector<std::unique_ptr<ImageRows>> encoded;
    for (const std::vector<float>& picture : pixels)
      encoded.push_back(engine.pipeline().vision().encode(picture));
    std::vector<float> logits;
    for (std::unique_ptr<ImageRows>& image : encoded) {
      std::vector<std::unique_ptr<ImageRows>> pictures;
      pictures.push_back(std::move(image));
      const PromptTokens prompt{
          .ids = {1, 5, 0, 0, 0},
          .pictures = {{.first_row = 2, .rows = model.config.vision->rows_out()}}};
      BlockTable table(engine.blocks());
      engine.runner().score(
          prompt, pictures, table, 0,
          [&](int64_t, std::span<const float> rows) {
            logits.insert(logits.end(), rows.begin(), rows.end());
          },
          nullptr);
    }
    if (first.empty()) first = logits;
    EXPECT_EQ(logits, first);
    EXPECT_NE(std::vector(logits.begin(), logits.begin() + std::ssize(logits) / 2),
              std::vector(logits.begin() + std::ssize(logits) / 2, logits.end()));
  }
}

// The tower's stream is opened anew, too: else the whole engine would stay broken.
TEST_F(CudaEngine, AfterAPictureThatFailedTheNextOneIsTaken) {
  TestEngine engine(kPictureDir, {.layers = {3, 3}, .vision = 1, .embedding = 0}, Precision::kF32,
                    64, 1, 2, {}, open_next_gpu);
  VisionRunner& vision = engine.pipeline().vision();
  const auto& tower = *engine.model().config.vision;
  const std::vector<float> pixels(
      static_cast<size_t>(tower.channels * tower.image_size * tower.image_size));
  CancelFlag cancel;  // what the tower computes is others' to test
  cancel.cancel();
  inject_failure({.call = "cudaMemcpyAsync", .gpu = 1, .error = cudaErrorInvalidValue});
  vision.encode(pixels, &cancel);
  EXPECT_THAT(error_of([&] { vision.check(); }),
              AllOf(StartsWith("cuda:1: "), HasSubstr("cudaErrorInvalidValue")));
  engine.pipeline().recover();
  vision.encode(pixels, &cancel)->ready->synchronize();
  vision.check();
}

TEST_F(CudaEngine, ALostCardEndsItsRequestsAndTheProcessLives) {
  const Request request = question(kText);
  TestEngine engine(kTextDir, {.layers = {1, 2, 1}}, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  const Answer want = engine.ask(request);
  int pieces = 0;
  const auto lose_a_card = [&](std::string_view) {
    if (++pieces == 2) break_emulated_gpu(1, cudaErrorECCUncorrectable);
    return true;
  };
  const std::string line = error_of([&] { engine.ask(request, nullptr, lose_a_card); });
  EXPECT_THAT(line, AllOf(StartsWith("cuda:1: "), HasSubstr("ECC")));
  EXPECT_EQ(error_of([&] { engine.ask(request); }), line);
  EXPECT_EQ(engine.blocks().free_blocks(), engine.blocks().capacity());
  // On what is left, an engine answers.
  TestEngine other(kTextDir, {.layers = {2, 2}}, Precision::kF32, 64, 1, 2, {},
                   [](size_t index) { return open_gpu_share(index, index == 0 ? 0 : 2); });
  EXPECT_EQ(other.ask(request).token_ids, want.token_ids);
}

TEST_F(CudaEngine, ATokenThatIsNoneIsTheRequestsError) {
  TestEngine engine(kTextDir, {.layers = {2, 2}, .embedding = 1}, Precision::kF32, 64, 1, 2, {},
                    open_next_gpu);
  PromptTokens prompt{.ids = {1, 5, 70000}};
  BlockTable table(engine.blocks());
  EXPECT_THAT(error_of([&] {
                engine.runner().score(
                    prompt, {}, table, 0, [](int64_t, std::span<const float>) {}, nullptr);
              }),
              AllOf(StartsWith("cuda:1: token id in stream embedding: expected 0 to "),
                    HasSubstr("found 70000")));
}

TEST_F(CudaEngine, CancellingLeavesNothingBehind) {
  TestEngine engine(kTextDir, {.layers = {1, 2, 1}}, Precision::kF32, 2, 1, 2, {}, open_next_gpu);
  const Request request = question(kText);
  for (int after = 0; after < 4; ++after) {
    CancelFlag cancel;
    int pieces = 0;
    const Answer answer = engine.ask(request, &cancel, [&](std::string_view) {
      if (pieces++ == after) cancel.cancel();
      return true;
    });
    EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(engine.blocks().free_blocks(), engine.blocks().capacity());
    EXPECT_EQ(engine.pipeline().free_slots(), engine.pipeline().limits().slots);
  }
}

// Through planner, measured rates and links, and the loader.
TEST_F(CudaEngine, AnswersThroughThePlannerWithinTheBytesItPromised) {
  set_up({.bytes = 64 * kMiB});
  const auto options = [](const std::string& devices) {
    return EngineOptions{.model_path = kTextDir, .devices = devices, .precision = "f32"};
  };
  const Request request = question(kText);
  const std::vector<int32_t> want = Engine::create(options("cpu"))->generate(request).token_ids;
  for (const char* devices :
       {"auto", "3xcuda@4MiB", "3xcuda:0@4MiB", "2xcuda:1", "cuda@4MiB,cpu@1MiB"}) {
    SCOPED_TRACE(devices);
    const auto engine = Engine::create(options(devices));
    EXPECT_EQ(engine->generate(request).token_ids, want);
    // Beside a GPU a plan rounds a CPU device's arenas as the GPU's.
    const uint64_t rounded = std::string_view(devices).ends_with("cpu@1MiB") ? 3 * 512 : 0;
    for (const DeviceReport& device : engine->devices()) {
      EXPECT_LE(device.measured_peak_bytes, device.planned_bytes) << device.name;
      EXPECT_GE(device.measured_peak_bytes + rounded, device.planned_bytes) << device.name;
      EXPECT_LE(device.measured_peak_bytes, device.budget_bytes) << device.name;
    }
  }
  const auto error = [&](const char* devices) {
    return error_of([&] { Engine::create(options(devices)); });
  };
  EXPECT_THAT(error("cuda:3"), HasSubstr("expected cuda:0 to cuda:2"));
  EXPECT_THAT(error("4xcuda"), HasSubstr("expected cuda:0 to cuda:2"));
  EXPECT_THAT(error("3xcuda:0@24MiB"), HasSubstr("cuda:0 has 64.0 MiB"));
  set_up({.gpus = 0});
  EXPECT_THAT(error("cuda"), HasSubstr("no GPU on this machine"));
  std::string warning;
  EngineOptions logged = options("auto");
  logged.log = [&](LogLevel, std::string_view line) { warning = line; };
  const auto engine = Engine::create(logged);
  EXPECT_EQ(warning, "no GPU on this machine: on with the CPU");
  EXPECT_EQ(engine->devices().front().name, "cpu:0");
}

}  // namespace
}  // namespace tessera
