// Answers over emulated GPUs: those of virtual CPU devices, for every split, link and order.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/units.h"
#include "cuda_emulator/control.h"
#include "device/cuda_device.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kCheckpoint = "yi_vl_tiny";

std::unique_ptr<Device> open_gpu_share(size_t index, int card) {
  return open_cuda_device(card, {.name = fmt::format("cuda:{}", index),
                                 .kind = DeviceKind::kCuda,
                                 .budget_bytes = 60 * kMiB});
}

// One device to a card, three cards.
std::unique_ptr<Device> open_next_gpu(size_t index) {
  return open_gpu_share(index, static_cast<int>(index % 3));
}

class CudaEngine : public testing::Test {
 protected:
  CudaEngine() {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = 3;
    machine.gpu_bytes = 256 * kMiB;
    set_up_emulated_machine(machine);
  }
  ~CudaEngine() override { mend_emulated_machine(); }

  static std::string dir() { return golden_dir(kCheckpoint); }
  static GoldenCase golden(const std::string& name) {
    const std::vector<GoldenCase> cases = read_goldens(kCheckpoint);
    return *std::ranges::find(cases, name, &GoldenCase::name);
  }
};

struct Split {
  LayerSplit layers;
  int64_t chunk;
  OpenTestDevice open = open_next_gpu;
};

// A device of another kind at either end or in the middle, and shares of one card.
std::unique_ptr<Device> open_cpu_between(size_t index) {
  return index == 1 ? open_virtual_device({.name = "cpu:1", .budget_bytes = 256 * kMiB})
                    : open_next_gpu(index);
}
std::unique_ptr<Device> open_cpu_around(size_t index) {
  return index == 1 ? open_next_gpu(index)
                    : open_virtual_device({.name = fmt::format("cpu:{}", index),
                                           .budget_bytes = 256 * kMiB});
}
std::unique_ptr<Device> open_shares_of_one(size_t index) {
  return open_gpu_share(index, 1);
}

TEST_F(CudaEngine, GivesTheTokensOfCpuDevicesInF32OverEverySplit) {
  const GoldenCase picture = golden("picture_rgb_png"), text = golden("text_only");
  const ModelSpec model = describe_model(read_model_config(dir()));
  TestEngine cpu(dir(), whole_on_one(model));
  const std::vector<Split> splits = {
      {.layers = {.layers = {6}}, .chunk = 512},
      {.layers = {.layers = {2, 2, 2}, .vision = 1, .embedding = 2}, .chunk = 64},
      {.layers = {.layers = {1, 4, 1}, .vision = 2, .embedding = -1}, .chunk = 17},
      {.layers = {.layers = {2, 2, 2}, .vision = 0}, .chunk = 40, .open = open_shares_of_one},
      {.layers = {.layers = {3, 3}, .vision = 1, .embedding = 0},
       .chunk = 64,
       .open = open_cpu_between},
      {.layers = {.layers = {1, 4, 1}, .vision = 1, .embedding = 0},
       .chunk = 64,
       .open = open_cpu_around}};
  // Tokens are those of CPUs; logits, added in another order, are near them, and the same bits for
  // every split over GPUs alone.
  std::map<std::string, std::vector<std::pair<int32_t, float>>> on_gpus;
  for (size_t i = 0; i < splits.size(); ++i) {
    SCOPED_TRACE(i);
    const Split& split = splits[i];
    TestEngine gpu(dir(), split.layers, Precision::kF32, split.chunk, 1, 2, {}, split.open);
    for (const GoldenCase* one : {&picture, &text}) {
      Request request = request_of(*one, 0);
      request.max_new_tokens = std::min<int64_t>(request.max_new_tokens, 8);
      const Answer want = cpu.ask(request), got = gpu.ask(request);
      EXPECT_EQ(got.token_ids, want.token_ids);
      ASSERT_EQ(got.first_logits.size(), want.first_logits.size());
      for (size_t l = 0; l < want.first_logits.size(); ++l)
        EXPECT_NEAR(got.first_logits[l].second, want.first_logits[l].second, 1e-4);
      if (i >= 4) continue;
      const auto [first, is_first] = on_gpus.try_emplace(one->name, got.first_logits);
      EXPECT_EQ(got.first_logits, first->second);
    }
  }
}

TEST_F(CudaEngine, CardsThatDoNotSeeEachOtherGiveTheSameBits) {
  const Request request = request_of(golden("text_only"), 0);
  const LayerSplit split = {.layers = {2, 2, 2}, .vision = 1, .embedding = 2};
  TestEngine seeing(dir(), split, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  const Answer want = seeing.ask(request);
  for (int gpu = 0; gpu < 3; ++gpu)
    for (int peer = 0; peer < 3; ++peer) forbid_emulated_peer(gpu, peer);
  TestEngine blind(dir(), split, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  const Answer got = blind.ask(request);
  EXPECT_EQ(got.token_ids, want.token_ids);
  EXPECT_EQ(got.first_logits, want.first_logits);
}

// Streams take turns in other orders: whoever reads before it may reads something else.
TEST_F(CudaEngine, NoOrderOfStreamsChangesABit) {
  Request request = request_of(golden("picture_rgb_png"), 0);
  request.max_new_tokens = 4;
  const LayerSplit split = {.layers = {2, 2, 2}, .vision = 1, .embedding = 2};
  std::optional<Answer> first;
  for (const auto& [order, seed] :
       {std::pair{ThreadOrder::kForward, 1}, {ThreadOrder::kReverse, 1}, {ThreadOrder::kRandom, 2},
        {ThreadOrder::kRandom, 3}}) {
    SCOPED_TRACE(seed);
    set_up_emulated_machine({.gpus = 3,
                             .gpu_bytes = 256 * kMiB,
                             .order = order,
                             .seed = static_cast<uint64_t>(seed)});
    TestEngine engine(dir(), split, Precision::kF32, 16, 1, 2, {}, open_next_gpu);
    const Answer answer = engine.ask(request);
    if (!first) first = answer;
    EXPECT_EQ(answer.token_ids, first->token_ids);
    EXPECT_EQ(answer.first_logits, first->first_logits);
  }
}

double largest(std::span<const float> a) {
  double most = 0;
  for (const float value : a) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= most)) most = std::isnan(difference) ? INFINITY : difference;
  }
  return most;
}

struct Stored {
  Precision precision;
  double tolerance;  // of the largest |number| at the seam
};

class CudaSeams : public CudaEngine, public testing::WithParamInterface<Stored> {};

// Features of the tower, rows of the projector, logits of every row of the prompt. Both kinds of
// device round the same numbers to the same formats; what is added in another order now and then
// rounds the other way, and that grows through the layers.
TEST_P(CudaSeams, AreThoseOfCpuDevices) {
  const auto& [precision, tolerance] = GetParam();
  const GoldenCase one = golden("picture_rgb_png");
  const ModelSpec model = describe_model(read_model_config(dir()));
  const LayerSplit split = {.layers = {2, 2, 2}, .vision = 1, .embedding = 2};
  TestEngine cpu(dir(), whole_on_one(model), precision);
  TestEngine gpu(dir(), split, precision, 64, 1, 2, {}, open_next_gpu);
  const Request request = request_of(one, 0);
  const std::vector<float> pixels =
      read_pictures(request.messages, *model.config.preprocess).front();
  const auto seams = [&](TestEngine& engine) {
    const auto image = engine.pipeline().vision().encode(pixels);
    image->ready->synchronize();
    return std::pair(engine.pipeline().vision().features(),
                     std::vector<float>(image->rows.begin(), image->rows.end()));
  };
  const auto [features, rows] = seams(cpu);
  const auto [gpu_features, gpu_rows] = seams(gpu);
  EXPECT_LT(largest_difference(gpu_features, features) / largest(features), tolerance);
  EXPECT_LT(largest_difference(gpu_rows, rows) / largest(rows), tolerance);

  const auto logits = [&](TestEngine& engine) {
    PromptTokens prompt{.ids = {1, 5, 9, 200, 17, 3, 44, 60, 12, 7, 8, 99, 101, 13, 2, 30, 31, 32}};
    BlockTable table(engine.blocks());
    std::vector<float> all;
    engine.runner().score(
        prompt, {}, table, 0,
        [&](int64_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); },
        nullptr);
    return all;
  };
  const std::vector<float> want = logits(cpu), got = logits(gpu);
  EXPECT_LT(largest_difference(got, want) / largest(want), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Weights, CudaSeams,
                         testing::Values(Stored{Precision::kF32, 1e-5},
                                         Stored{Precision::kBF16, 2e-2},
                                         Stored{Precision::kInt8, 2e-2},
                                         Stored{Precision::kInt6, 2e-2},
                                         Stored{Precision::kInt5, 2e-2},
                                         Stored{Precision::kInt4, 2e-2}),
                         [](const auto& test) {
                           return std::string(precision_name(test.param.precision));
                         });

TEST_F(CudaEngine, ALostCardEndsItsRequestsAndTheProcessLives) {
  const Request request = request_of(golden("text_only"), 0);
  TestEngine engine(dir(), {.layers = {2, 2, 2}, .vision = 1}, Precision::kF32, 64, 1, 2, {},
                    open_next_gpu);
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
  TestEngine other(dir(), {.layers = {3, 3}, .vision = 0}, Precision::kF32, 64, 1, 2, {},
                   [](size_t index) { return open_gpu_share(index, index == 0 ? 0 : 2); });
  EXPECT_EQ(other.ask(request).token_ids, want.token_ids);
}

TEST_F(CudaEngine, ATokenThatIsNoneIsTheRequestsError) {
  TestEngine engine(dir(), {.layers = {3, 3}, .embedding = 1}, Precision::kF32, 64, 1, 2, {},
                    open_next_gpu);
  PromptTokens prompt{.ids = {1, 5, 70000}};
  BlockTable table(engine.blocks());
  EXPECT_THAT(error_of([&] {
                engine.runner().score(prompt, {}, table, 0,
                                      [](int64_t, std::span<const float>) {}, nullptr);
              }),
              AllOf(StartsWith("cuda:1: token id in stream embedding: expected 0 to "),
                    HasSubstr("found 70000")));
}

TEST_F(CudaEngine, CancellingLeavesNothingBehind) {
  TestEngine engine(dir(), {.layers = {2, 2, 2}, .vision = 1}, Precision::kF32, 16, 1, 2, {},
                    open_next_gpu);
  const Request request = request_of(golden("picture_rgb_png"), 0);
  for (int after = 0; after < 3; ++after) {
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
  set_up_emulated_machine({.gpus = 3, .gpu_bytes = 64 * kMiB});
  const GoldenCase text = golden("text_only");
  for (const char* devices : {"auto", "cuda:2@32MiB", "3xcuda@8MiB", "3xcuda:0@8MiB", "2xcuda:1",
                              "cuda@6MiB,cpu@4MiB"}) {
    SCOPED_TRACE(devices);
    const auto engine =
        Engine::create({.model_path = dir(), .devices = devices, .precision = "f32"});
    EXPECT_EQ(engine->generate(request_of(text, 0)).token_ids, text.turns[0].token_ids);
    for (const DeviceReport& device : engine->devices()) {
      EXPECT_EQ(device.measured_peak_bytes, device.planned_bytes) << device.name;
      EXPECT_LE(device.measured_peak_bytes, device.budget_bytes) << device.name;
    }
  }
  const auto error = [&](const char* devices) {
    return error_of([&] { Engine::create({.model_path = dir(), .devices = devices}); });
  };
  EXPECT_THAT(error("cuda:3"), HasSubstr("expected cuda:0 to cuda:2"));
  EXPECT_THAT(error("4xcuda"), HasSubstr("expected cuda:0 to cuda:2"));
  EXPECT_THAT(error("3xcuda:0@24MiB"), HasSubstr("cuda:0 has 64.0 MiB"));
  set_up_emulated_machine({.gpus = 0});
  EXPECT_THAT(error("cuda"), HasSubstr("no GPU on this machine"));
  std::string warning;
  const auto engine = Engine::create({.model_path = dir(),
                                      .devices = "auto",
                                      .precision = "f32",
                                      .log = [&](LogLevel, std::string_view line) {
                                        warning = line;
                                      }});
  EXPECT_EQ(warning, "no GPU on this machine: on with the CPU");
  EXPECT_EQ(engine->devices().front().name, "cpu:0");
}

}  // namespace
}  // namespace tessera
