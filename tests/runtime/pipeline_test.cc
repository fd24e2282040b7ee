#include "runtime/pipeline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "runtime/plan_problem.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Yi-VL-34B on simulated devices: every op costs its overhead alone, so a stage's time is its
// number of ops, the same for every chunk.
struct SimulatedRun {
  double makespan_s = 0;
  std::vector<double> stage_s;
};

constexpr double kLatency_s = 3e-4;

SimulatedRun simulate_prefill(const ModelSpec& model, const std::vector<int64_t>& layers,
                              const std::vector<double>& op_s, int64_t chunks) {
  constexpr int64_t kChunk = 64;
  std::vector<std::unique_ptr<Device>> devices;
  Placement placement{};
  int64_t first = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    devices.push_back(open_simulated_device({.name = fmt::format("sim:{}", i),
                                             .kind = DeviceKind::kSimulated,
                                             .budget_bytes = 80ULL << 30,
                                             .link_bytes_per_s = 1e24,
                                             .link_latency_s = kLatency_s,
                                             .read_bytes_per_s = 1e24,
                                             .flops_per_s = 1e24,
                                             .op_overhead_s = op_s[i]}));
    placement.stages.push_back(
        {.device = devices.back().get(),
         .first_layer = first,
         .last_layer = first + layers[i] - 1,
         .precisions = std::vector<Precision>(static_cast<size_t>(layers[i]), Precision::kBF16)});
    first += layers[i];
  }
  placement.head = Precision::kBF16;
  placement.embedding = devices.front().get();
  const Workload workload{.context = 4096, .chunk_tokens = kChunk};
  const PipelineLimits limits =
      make_limits(workload, static_cast<int>(chunks),  // all chunks in flight
                  Precision::kBF16, KvFormat::kBF16);
  Pipeline pipeline(model, placement, limits);
  BlockPool pool(limits.kv_blocks);
  BlockTable table(pool);

  std::vector<MicroBatch*> batches;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    MicroBatch& batch = pipeline.acquire();
    for (int64_t row = 0; row < kChunk; ++row) {
      batch.ids.push_back(1);
      batch.positions.push_back(static_cast<int32_t>(chunk * kChunk + row));
      batch.sequence.push_back(0);
    }
    batch.sequences = 1;
    batch.max_blocks = limits.max_blocks;
    table.prepare(chunk * kChunk, kChunk, batch.copies);
    batch.blocks.assign(table.blocks().begin(), table.blocks().end());
    batch.blocks.resize(static_cast<size_t>(limits.max_blocks));
    pipeline.submit(batch);
    batches.push_back(&batch);
  }
  SimulatedRun run;
  for (MicroBatch* batch : batches) pipeline.wait(*batch);
  for (int s = 0; s < pipeline.stage_count(); ++s)
    run.stage_s.push_back(pipeline.stage(s).busy_s(*batches.front()));
  run.makespan_s = pipeline.stage(pipeline.stage_count() - 1).end_s(*batches.back()) -
                   pipeline.stage(0).begin_s(*batches.front());
  for (MicroBatch* batch : batches) pipeline.release(*batch);
  return run;
}

TEST(Pipeline, PrefillChunksFollowEachOtherAsTheClosedFormSays) {
  ModelSpec model = describe_model(read_model_config(golden_dir("configs/yi-vl-34b/config.json")));
  model.vision.reset();
  std::mt19937 random(3);
  for (int draw = 0; draw < 20; ++draw) {
    const auto stages = static_cast<size_t>(1 + random() % 5);
    std::vector<int64_t> layers(stages, 1);
    for (size_t rest = stages; rest < 60; ++rest) ++layers[random() % stages];
    std::vector<double> op_s;
    for (size_t i = 0; i < stages; ++i)
      op_s.push_back(1e-5 * (1 + static_cast<double>(random() % 9)));
    const auto chunks = static_cast<int64_t>(1 + random() % 12);
    const SimulatedRun run = simulate_prefill(model, layers, op_s, chunks);

    // Asynchronous sends: T = sum T_s + sum c_s + (M - 1) max T_s (planning notes 2.1).
    double sum = 0, largest = 0;
    for (const double s : run.stage_s) {
      sum += s;
      largest = std::max(largest, s);
    }
    const double sends = kLatency_s * static_cast<double>(stages - 1);
    EXPECT_NEAR(run.makespan_s, sum + sends + static_cast<double>(chunks - 1) * largest, 1e-9);
  }
}

TEST(Pipeline, WhatAStageNeedsOfAStepComesInOneCopy) {
  ModelSpec model = describe_model(read_model_config(golden_dir("configs/yi-vl-34b/config.json")));
  model.vision.reset();
  // Ops are free: what is left is a link's latency for each copy.
  const SimulatedRun run = simulate_prefill(model, {30, 30}, {0, 0}, 3);
  for (const double s : run.stage_s) EXPECT_NEAR(s, kLatency_s, 1e-9);
}

TEST(Pipeline, CancellingLeavesNothingBehindAndTheNextAnswerIsRight) {
  const std::string dir = golden_dir("yi_vl_tiny");
  TestEngine engine(dir, {.layers = {2, 2, 2}, .vision = 1});
  const GoldenCase golden = read_goldens("yi_vl_tiny").front();
  const Request request = request_of(golden, 0);
  const Answer want = engine.ask(request);
  for (int delay_us = 0; delay_us < 20000; delay_us += 700) {
    CancelFlag cancel;
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
      cancel.cancel();
    });
    const Answer answer = engine.ask(request, &cancel);
    canceller.join();
    if (answer.finish_reason != FinishReason::kCancelled) {
      EXPECT_EQ(answer.token_ids, want.token_ids);
    }
    EXPECT_EQ(engine.blocks().free_blocks(), engine.blocks().capacity());
    EXPECT_EQ(engine.pipeline().free_slots(), engine.pipeline().limits().slots);
  }
  EXPECT_EQ(engine.ask(request).token_ids, want.token_ids);
}

TEST(Pipeline, StopsWhenNobodyWantsMoreText) {
  TestEngine engine(golden_dir("yi_vl_tiny"), {.layers = {3, 3}});
  const Request request = request_of(read_goldens("yi_vl_tiny").front(), 0);
  const Answer answer = engine.ask(request, nullptr, [](std::string_view) { return false; });
  EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(engine.blocks().free_blocks(), engine.blocks().capacity());
}

TEST(Pipeline, AFailureInAStepEndsTheRequestAndEveryLaterOneWithItsError) {
  TestEngine engine(golden_dir("yi_vl_tiny"), {.layers = {2, 2, 2}});
  const Request request = request_of(read_goldens("yi_vl_tiny").front(), 0);
  engine.ask(request);
  // Poison one norm on the middle device: its rows turn to NaN, and sampling refuses them.
  for (const LoadTarget& target : engine.pipeline().load_targets()) {
    if (target.unit->name != "layer 3") continue;
    const UnitWeights weights(*target.unit, Precision::kF32, *target.device, target.data);
    weights.vector("input_norm").f32()[0] = NAN;
  }
  EXPECT_THAT(error_of([&] { engine.ask(request); }), testing::HasSubstr("NaN"));
  EXPECT_THAT(error_of([&] { engine.ask(request); }), testing::HasSubstr("NaN"));
  EXPECT_EQ(engine.blocks().free_blocks(), engine.blocks().capacity());
}

class PeakTest : public testing::TestWithParam<KvFormat> {};

TEST_P(PeakTest, IsWhatTheDryRunPromised) {
  const std::string dir = golden_dir("yi_vl_odd");
  const ModelSpec model = describe_model(read_model_config(dir));
  TestEngine engine(dir, {.layers = {1, 3}, .vision = 0, .embedding = 1}, Precision::kBF16, 40, 2,
                    2, GetParam());
  engine.ask(request_of(read_goldens("yi_vl_odd").front(), 0));
  const PipelineLimits& limits = engine.pipeline().limits();
  for (size_t d = 0; d < 2; ++d) {
    uint64_t promised =
        stage_arena_bytes(model, limits, d == 1) +
        (d == 0 ? vision_arena_bytes(model, limits.wide) : embedding_arena_bytes(model, limits));
    for (const LoadTarget& target : engine.pipeline().load_targets())
      if (target.device == &engine.device(d))
        promised += layout_of(*target.unit, Precision::kBF16).bytes;
    const DecoderConfig& decoder = model.config.decoder;
    const uint64_t kv =
        KvPages::bytes(limits.kv, limits.kv_blocks, decoder.kv_heads, decoder.head_dim);
    EXPECT_EQ(kv, static_cast<uint64_t>(limits.kv_blocks * kBlockTokens *
                                        model.kv_bytes_per_token(GetParam())));
    promised += (d == 0 ? 1 : 3) * kv;
    EXPECT_EQ(engine.device(d).ledger().peak_bytes(), promised);
  }
}

INSTANTIATE_TEST_SUITE_P(Kv, PeakTest, testing::ValuesIn(kKvFormats),
                         [](const auto& test) { return std::string(kv_format_name(test.param)); });

// What lies on the stages has changed after the batch was acquired: it must not meet it.
TEST(Pipeline, ABatchOfAnotherEpochOfThePlanIsRefused) {
  TestEngine engine(golden_dir("llama_tiny"), {.layers = {2, 2}});
  Pipeline& pipeline = engine.pipeline();
  const Request request = request_of(read_goldens("llama_tiny").front(), 0);
  const Answer want = engine.ask(request);
  const auto change = [&] {  // to what it is: the numbers stay
    pipeline.change_precision(engine.model().layers[3], Precision::kF32);
  };
  EXPECT_EQ(pipeline.epoch(), 0);
  change();
  EXPECT_EQ(pipeline.epoch(), 1);
  EXPECT_EQ(engine.ask(request).token_ids, want.token_ids);

  MicroBatch& late = pipeline.acquire();
  EXPECT_EQ(late.epoch, 1);
  BlockTable table(engine.blocks());
  late.ids = {1};
  late.positions = late.sequence = {0};
  late.sequences = 1;
  late.max_blocks = pipeline.limits().max_blocks;
  table.prepare(0, 1, late.copies);
  late.blocks.assign(table.blocks().begin(), table.blocks().end());
  late.blocks.resize(static_cast<size_t>(late.max_blocks));
  change();
  pipeline.submit(late);
  EXPECT_THAT(error_of([&] { pipeline.wait(late); }),
              testing::HasSubstr("layers 0 to 1: expected a micro-batch of the plan's epoch 2, "
                                 "found one of epoch 1"));
  pipeline.release(late);
  pipeline.recover();
  EXPECT_EQ(engine.ask(request).token_ids, want.token_ids);
}

}  // namespace
}  // namespace tessera
