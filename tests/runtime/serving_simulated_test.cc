// How well the scheduler keeps a pipeline busy, on simulated devices: Yi-VL-34B's shape over three
// equal cards.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runtime/plan_problem.h"
#include "runtime/serving_loop.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/heard.h"

namespace tessera {
namespace {

constexpr int kStages = 3;

// A model without tensors and a loop that serves it.
class SimulatedServing {
 public:
  SimulatedServing(double jitter, int64_t running, int64_t chunk_tokens)
      : model_(describe_model(read_model_config(golden_dir("configs/yi-vl-34b/config.json")))),
        tokenizer_(Tokenizer::open(golden_dir("yi_vl_tiny"))) {
    model_.vision.reset();
    Placement placement{};
    for (int stage = 0; stage < kStages; ++stage) {
      devices_.push_back(open_simulated_device({.name = fmt::format("sim:{}", stage),
                                                .kind = DeviceKind::kSimulated,
                                                .budget_bytes = 80ULL << 30,
                                                .link_bytes_per_s = 12e9,
                                                .link_latency_s = 2e-5,
                                                .read_bytes_per_s = 824e9,
                                                .flops_per_s = 50e12,
                                                .op_overhead_s = 5e-6,
                                                .jitter = jitter}));
      placement.stages.push_back({.device = devices_.back().get(),
                                  .first_layer = stage * 20,
                                  .last_layer = stage * 20 + 19,
                                  .precisions = std::vector<Precision>(20, Precision::kBF16)});
    }
    placement.head = Precision::kBF16;
    placement.embedding = devices_.front().get();
    const Workload workload{
        .context = 4096, .sequences = 16, .chunk_tokens = chunk_tokens, .running = running};
    const PipelineLimits limits = make_limits(workload, kStages, Precision::kBF16, KvFormat::kBF16);
    pipeline_ = std::make_unique<Pipeline>(model_, placement, limits);
    blocks_ = std::make_unique<BlockPool>(limits.kv_blocks);
    loop_ = std::make_unique<ServingLoop>(ServingOptions{}, *pipeline_, *blocks_, 4096);
  }

  std::shared_ptr<Heard> ask(int64_t prompt_tokens, int64_t new_tokens) {
    PreparedRequest prepared;
    prepared.prompt.ids.assign(static_cast<size_t>(prompt_tokens), 1);
    prepared.prompt.ids.front() = ++asked_;  // no two prompts share a beginning
    prepared.max_new_tokens = new_tokens;
    auto heard = std::make_shared<Heard>();
    loop_->submit(std::make_shared<ServedRequest>(loop_->next_id(), Request{.temperature = 0},
                                                  std::move(prepared), std::vector<PictureUse>{},
                                                  heard, *tokenizer_));
    return heard;
  }

  StageTimes times(int stage) const { return pipeline_->times(stage); }

 private:
  ModelSpec model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<BlockPool> blocks_;
  std::unique_ptr<ServingLoop> loop_;
  int32_t asked_ = 0;
};

// The share of the time in which the busiest and the idlest stage worked, between two moments.
double least_busy_share(const std::array<StageTimes, kStages>& from,
                        const std::array<StageTimes, kStages>& to) {
  double least = 1;
  for (int i = 0; i < kStages; ++i) {
    const double busy = to[i].prefill_s + to[i].decode_s - from[i].prefill_s - from[i].decode_s;
    least = std::min(least, busy / (to[i].ended_s - from[i].ended_s));
  }
  return least;
}

std::array<StageTimes, kStages> all_times(const SimulatedServing& serving) {
  std::array<StageTimes, kStages> times;
  for (int i = 0; i < kStages; ++i) times[static_cast<size_t>(i)] = serving.times(i);
  return times;
}

double busy_share_in_steady_decode(double jitter) {
  SimulatedServing serving(jitter, 32, 256);
  std::vector<std::shared_ptr<Heard>> heard;
  for (int i = 0; i < 32; ++i) heard.push_back(serving.ask(64, 300));
  for (const auto& one : heard) one->wait_for_pieces(40);
  const auto from = all_times(serving);
  for (const auto& one : heard) one->wait_for_pieces(280);
  const auto to = all_times(serving);
  for (const auto& one : heard) one->wait();
  return least_busy_share(from, to);
}

TEST(ServingSimulated, SteadyDecodeKeepsEveryStageBusy) {
  const double share = busy_share_in_steady_decode(0);
  RecordProperty("least_busy_share", fmt::format("{:.4f}", share));
  EXPECT_GE(share, 0.95);
}

TEST(ServingSimulated, SteadyDecodeBearsJitter) {
  const double share = busy_share_in_steady_decode(0.1);
  RecordProperty("least_busy_share", fmt::format("{:.4f}", share));
  EXPECT_GE(share, 0.88);
}

// Chunks follow each other: T = sum T_s + (M - 1) max T_s for M equal chunks (planning notes 2.1).
TEST(ServingSimulated, ALonePromptsChunksFollowEachOther) {
  constexpr int64_t kRows = 1100, kChunk = 100;
  SimulatedServing serving(0, 8, kChunk);
  serving.ask(kRows, 1)->wait();
  const auto times = all_times(serving);
  double sum = 0, largest = 0;
  for (const StageTimes& one : times) {
    EXPECT_EQ(one.prefill_steps, kRows / kChunk);
    sum += one.prefill_s;
    largest = std::max(largest, one.prefill_s);
  }
  constexpr double kChunks = kRows / kChunk;
  const double closed_form = sum / kChunks + (kChunks - 1) * largest / kChunks;
  const double ratio = (times.back().ended_s - times.front().begun_s) / closed_form;
  RecordProperty("makespan_over_closed_form", fmt::format("{:.4f}", ratio));
  EXPECT_LE(ratio, 1.15);
}

}  // namespace
}  // namespace tessera
