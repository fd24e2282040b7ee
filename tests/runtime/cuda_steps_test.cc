// What steps ask of the driver: nothing that allocates or waits; as graphs, where that is wanted;
// and what becomes of them when a card fails.

#include <gmock/gmock.h>

#include <map>

#include "tests/runtime/emulated_engine_fixture.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::unique_ptr<Device> open_gpu_with_graphs(size_t index) {
  return open_cuda_device(
      static_cast<int>(index % 3),
      {.name = fmt::format("cuda:{}", index), .budget_bytes = 60 * kMiB, .graphs = true});
}

class CudaSteps : public CudaEngine {
 protected:
  static std::unique_ptr<TestEngine> engine(const OpenTestDevice& open,
                                            Precision precision = Precision::kF32,
                                            int64_t sequences = 1) {
    return std::make_unique<TestEngine>(golden_dir(kText.checkpoint),
                                        LayerSplit{.layers = {1, 1, 2}, .embedding = 2}, precision,
                                        64, sequences, 2, std::nullopt, open);
  }
};

// How often each call was made while `body` ran.
template <typename Body>
std::map<std::string, uint64_t> calls_of(std::initializer_list<const char*> names,
                                         const Body& body) {
  std::map<std::string, uint64_t> counts;
  for (const char* name : names) counts[name] = emulated_calls(name);
  body();
  for (auto& [name, count] : counts) count = emulated_calls(name) - count;
  return counts;
}

TEST_F(CudaSteps, AllocateNothingAndWaitForNoStream) {
  for (const bool blind : {false, true}) {
    SCOPED_TRACE(blind);
    set_up({});
    for (int gpu = 0; blind && gpu < 3; ++gpu)
      for (int peer = 0; peer < 3; ++peer) forbid_emulated_peer(gpu, peer);
    const auto engine = this->engine(open_next_gpu);
    const Request request = question(kText);
    engine->ask(request);
    const int64_t before = engine->pipeline().times(0).decode_steps;
    auto calls = calls_of({"cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaFreeHost",
                           "cudaHostRegister", "cudaMemGetInfo", "cudaStreamCreate",
                           "cudaStreamDestroy", "cudaStreamSynchronize", "cudaDeviceSynchronize",
                           "cudaStreamQuery", "cudaDeviceEnablePeerAccess", "cudaEventSynchronize"},
                          [&] { engine->ask(request); });
    // Each step's end is waited for once a stage, by whoever reads its results; and bases of the
    // clocks are, once a second. Nothing else is.
    const int64_t steps = engine->pipeline().times(0).decode_steps - before + 1;
    EXPECT_LE(calls.extract("cudaEventSynchronize").mapped(), 3 * static_cast<uint64_t>(steps) + 9);
    for (const auto& [name, count] : calls) EXPECT_EQ(count, 0U) << name;
  }
}

TEST_F(CudaSteps, AsGraphsGiveTheSameBitsInEveryOrder) {
  Request request = question(kText);
  request.temperature = 1;  // each step draws with a number of its own
  request.seed = 7;
  const Answer want = engine(open_next_gpu)->ask(request);
  ASSERT_EQ(want.token_ids.size(), static_cast<size_t>(kTokens));
  for (const ThreadOrder order :
       {ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kRandom}) {
    SCOPED_TRACE(static_cast<int>(order));
    set_up({.order = order, .seed = 5});
    const auto engine = this->engine(open_gpu_with_graphs);
    for (int round = 0; round < 2; ++round) {
      const auto calls =
          calls_of({"cudaGraphInstantiate", "cudaGraphLaunch", "cudaStreamEndCapture"}, [&] {
            const Answer answer = engine->ask(request);
            EXPECT_EQ(answer.token_ids, want.token_ids);
            EXPECT_EQ(answer.first_logits, want.first_logits);
          });
      // Of seven steps on three stages the first is not captured yet, and the second is.
      EXPECT_EQ(calls.at("cudaStreamEndCapture"), round == 0 ? 3U : 0U);
      EXPECT_EQ(calls.at("cudaGraphInstantiate"), round == 0 ? 3U : 0U);
      EXPECT_EQ(calls.at("cudaGraphLaunch"), round == 0 ? 18U : 21U);
    }
  }
}

// The tokens of sequences that take steps together, in batches of other sizes from step to step and
// over the end of a split, where attention launches more.
std::vector<int32_t> tokens_of_batches(TestEngine& engine) {
  constexpr int64_t kPrompt = 252;
  std::vector<int32_t> tokens;
  std::vector<BlockTable> tables;
  for (int sequence = 0; sequence < 3; ++sequence) {
    PromptTokens prompt;
    for (int i = 0; i < (sequence == 0 ? kPrompt : 5); ++i)
      prompt.ids.push_back(3 + (i * 7 + sequence) % 200);
    BlockTable& table = tables.emplace_back(engine.blocks());
    engine.runner().prefill(prompt, {}, table, {.draw = TokenDraw{}}, false, nullptr);
  }
  std::array<int64_t, 3> at = {kPrompt, 5, 5};
  for (int step = 0; step < 9; ++step) {
    std::vector<DecodeRow> rows;
    for (size_t s = 0; s < (step % 3 == 2 ? 1 : 3); ++s)
      rows.push_back({.table = &tables[s],
                      .token = tokens.empty() ? 1 : tokens.back(),
                      .position = at[s]++,
                      .wanted = {.draw = TokenDraw{}}});
    const StepResult result = engine.runner().decode(rows, false, nullptr);
    tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
  }
  return tokens;
}

TEST_F(CudaSteps, AsGraphsFollowBatchesAndContexts) {
  const auto plain = engine(open_next_gpu, Precision::kInt4, 3);
  const auto graphs = engine(open_gpu_with_graphs, Precision::kInt4, 3);
  const std::vector<int32_t> want = tokens_of_batches(*plain);
  const auto calls =
      calls_of({"cudaGraphInstantiate"}, [&] { EXPECT_EQ(tokens_of_batches(*graphs), want); });
  // Three rows before and after 256 tokens and one row after, on each of three stages; one row
  // before came once.
  EXPECT_EQ(calls.at("cudaGraphInstantiate"), 9U);
}

TEST_F(CudaSteps, WhatCannotBeCapturedIsSubmittedAsBefore) {
  const Request request = question(kText);
  const Answer want = engine(open_next_gpu)->ask(request);
  for (const char* call : {"cudaStreamBeginCapture", "cudaLaunchKernel", "cudaGraphInstantiate"}) {
    SCOPED_TRACE(call);
    set_up({});
    const auto engine = this->engine(open_gpu_with_graphs);
    int pieces = 0;
    const auto refuse_to_capture = [&](std::string_view) {
      if (++pieces == 2)
        inject_failure({.call = call, .gpu = 1, .error = cudaErrorStreamCaptureUnsupported});
      return true;
    };
    const auto calls = calls_of({"cudaGraphInstantiate", "cudaGraphLaunch"}, [&] {
      EXPECT_EQ(engine->ask(request, nullptr, refuse_to_capture).token_ids, want.token_ids);
    });
    EXPECT_EQ(calls.at("cudaGraphInstantiate"),
              call == std::string("cudaGraphInstantiate") ? 3 : 2);
    EXPECT_EQ(calls.at("cudaGraphLaunch"), 12U);
  }
}

TEST_F(CudaSteps, AsGraphsCanBeCancelled) {
  const auto engine = this->engine(open_gpu_with_graphs);
  const Request request = question(kText);
  for (int after = 0; after < 6; after += 2) {
    CancelFlag cancel;
    int pieces = 0;
    const Answer answer = engine->ask(request, &cancel, [&](std::string_view) {
      if (pieces++ == after) cancel.cancel();
      return true;
    });
    EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(engine->pipeline().free_slots(), engine->pipeline().limits().slots);
  }
  const Answer want = this->engine(open_next_gpu)->ask(request);
  EXPECT_EQ(engine->ask(request).token_ids, want.token_ids);
}

// A card that fails for good in the middle of an answer, by whichever call it shows first.
TEST_F(CudaSteps, ALostCardIsToldByEveryCallAndTheOthersLive) {
  const Request request = question(kText);
  for (const bool graphs : {false, true}) {
    for (const int card : {0, 1, 2}) {
      SCOPED_TRACE(fmt::format("card {}, graphs {}", card, graphs));
      set_up({});
      const auto engine = this->engine(graphs ? open_gpu_with_graphs : open_next_gpu);
      int pieces = 0;
      const std::string line = error_of([&] {
        engine->ask(request, nullptr, [&](std::string_view) {
          if (++pieces == 4) break_emulated_gpu(card, cudaErrorIllegalAddress);
          return true;
        });
      });
      EXPECT_THAT(line, StartsWith(fmt::format("cuda:{}: ", card)));
      EXPECT_EQ(error_of([&] { engine->ask(request); }), line);
      EXPECT_EQ(error_of([&] { engine->pipeline().recover(); }), line);
      EXPECT_EQ(engine->blocks().free_blocks(), engine->blocks().capacity());
    }
  }
}

// As a user of the library meets it.
TEST_F(CudaSteps, ALostCardIsTheEnginesErrorFromThenOn) {
  set_up({.bytes = 64 * kMiB});
  const auto engine = Engine::create(
      {.model_path = golden_dir(kText.checkpoint), .devices = "3xcuda@4MiB", .precision = "f32"});
  const Request request = question(kText);
  EXPECT_FALSE(engine->generate(request).token_ids.empty());
  const std::vector<DeviceReport> devices = engine->devices();
  const auto used = std::ranges::find_if(
      devices, [](const DeviceReport& device) { return device.last_layer >= device.first_layer; });
  ASSERT_NE(used, devices.end());
  break_emulated_gpu(static_cast<int>(used - devices.begin()), cudaErrorECCUncorrectable);
  const std::string line = error_of([&] { engine->generate(request); });
  EXPECT_THAT(line, AllOf(StartsWith(used->name + ": "), HasSubstr("ECC")));
  EXPECT_EQ(error_of([&] { engine->generate(request); }), line);
}

// A call that fails alone ends the request; the card is whole, and so is the next one.
TEST_F(CudaSteps, AfterAFailedCallTheNextRequestAnswers) {
  const Request request = question(kText);
  const Answer want = engine(open_next_gpu)->ask(request);
  for (const bool graphs : {false, true}) {
    const auto engine = this->engine(graphs ? open_gpu_with_graphs : open_next_gpu);
    engine->ask(request);
    const std::vector<const char*> calls =
        graphs ? std::vector{"cudaStreamWaitEvent", "cudaGraphLaunch"}
               : std::vector{"cudaMemcpyAsync", "cudaLaunchKernel", "cudaEventRecord"};
    for (const char* call : calls) {
      SCOPED_TRACE(fmt::format("{}, graphs {}", call, graphs));
      inject_failure({.call = call, .gpu = 2, .after = 1, .error = cudaErrorInvalidValue});
      EXPECT_THAT(error_of([&] { engine->ask(request); }), HasSubstr("cudaErrorInvalidValue"));
      engine->pipeline().recover();
      EXPECT_EQ(engine->ask(request).token_ids, want.token_ids);
    }
  }
}

}  // namespace
}  // namespace tessera
