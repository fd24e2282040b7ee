// The same greedy tokens, and the same bits of every logit, for every split and chunk size.

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"

namespace tessera {
namespace {

LayerSplit random_split(std::mt19937& random, int64_t layers) {
  const auto devices = static_cast<size_t>(1 + random() % 8);
  LayerSplit split{.layers = std::vector<int64_t>(devices, 0)};
  // A few devices stay without layers; the first one with layers need not be device 0.
  for (int64_t layer = 0; layer < layers; ++layer) ++split.layers[random() % devices];
  split.vision = static_cast<int>(random() % devices);
  split.embedding = static_cast<int>(random() % (devices + 1)) - 1;
  return split;
}

std::string describe(const LayerSplit& split, int64_t chunk) {
  std::string text = "layers";
  for (const int64_t count : split.layers) text += " " + std::to_string(count);
  return text + ", vision " + std::to_string(split.vision) + ", embedding " +
         std::to_string(split.embedding) + ", chunk " + std::to_string(chunk);
}

struct Stored {
  Precision weights;
  std::optional<KvFormat> kv = {};  // as wide as the weights
};

// What the kernels store; the wide ones first.
constexpr Stored kStored[] = {{Precision::kF32},
                              {Precision::kBF16},
                              {Precision::kInt8},
                              {Precision::kInt6},
                              {Precision::kInt5},
                              {Precision::kInt4},
                              {Precision::kF32, KvFormat::kInt8},
                              {Precision::kBF16, KvFormat::kInt8}};

class SplitTest : public testing::TestWithParam<Stored> {};

TEST_P(SplitTest, NeverChangesAnAnswer) {
  const std::string dir = golden_dir("yi_vl_tiny");
  const ModelSpec model = describe_model(read_model_config(dir));
  std::vector<GoldenCase> cases = read_goldens("yi_vl_tiny");
  std::erase_if(cases, [](const GoldenCase& c) { return c.max_new_tokens < 16; });
  const auto& [weights, kv] = GetParam();
  TestEngine whole(dir, whole_on_one(model), weights, 512, 1, 2, kv);
  struct Wanted {
    Answer answer;
    std::vector<float> first_logits;
  };
  std::vector<std::optional<Wanted>> wanted(cases.size());  // of the whole model, once each

  std::mt19937 random(7);
  for (int draw = 0; draw < 24; ++draw) {
    const LayerSplit split = random_split(random, static_cast<int64_t>(model.layers.size()));
    const int64_t chunk = 1 + static_cast<int64_t>(random() % 200);
    SCOPED_TRACE(describe(split, chunk));
    TestEngine other(dir, split, weights, chunk, 1, 1 + static_cast<int>(random() % 3), kv);
    const size_t which = random() % cases.size();
    const Request request = request_of(cases[which], 0);
    std::optional<Wanted>& want = wanted[which];
    if (!want) want = Wanted{whole.ask(request), whole.first_logits(request)};
    EXPECT_EQ(other.ask(request).token_ids, want->answer.token_ids);
    // Every float as it is; of the steps that follow the tokens tell.
    EXPECT_EQ(other.first_logits(request), want->first_logits);
  }
}

std::string name_of(const testing::TestParamInfo<Stored>& test) {
  const std::string weights(precision_name(test.param.weights));
  return test.param.kv ? weights + "_kv_" + std::string(kv_format_name(*test.param.kv)) : weights;
}

INSTANTIATE_TEST_SUITE_P(Weights, SplitTest, testing::ValuesIn(kStored), name_of);

// Mean log probability of an answer's tokens, all of it read at once.
double mean_log_probability(TestEngine& engine, const Answer& answer) {
  PromptTokens all{.ids = answer.prompt_ids};
  all.ids.insert(all.ids.end(), answer.token_ids.begin(), answer.token_ids.end());
  const auto vocab = static_cast<size_t>(engine.model().config.decoder.vocab);
  BlockTable table(engine.blocks());
  double sum = 0;
  const auto first = static_cast<int64_t>(answer.prompt_ids.size()) - 1;
  const auto add_rows = [&](int64_t row, std::span<const float> logits) {
    for (size_t at = 0; at < logits.size(); at += vocab, ++row) {
      if (row + 1 == static_cast<int64_t>(all.ids.size())) continue;  // nothing follows
      const std::span<const float> own = logits.subspan(at, vocab);
      double total = 0;
      for (const float logit : own) total += std::exp(double{logit});
      const auto next = static_cast<size_t>(all.ids[static_cast<size_t>(row + 1)]);
      sum += double{own[next]} - std::log(total);
    }
  };
  engine.runner().score(all, {}, table, first, add_rows, nullptr);
  return sum / static_cast<double>(answer.token_ids.size());
}

// Beams share pages and part from each other by copying them. What they found is read again
// without any copy: with scales, or half a page, left behind, it would be worth something else.
TEST(Split, BeamsPartByCopyingWholePages) {
  const std::string dir = golden_dir("llama_tiny");
  const ModelSpec model = describe_model(read_model_config(dir));
  for (const KvFormat kv : kKvFormats) {
    TestEngine whole(dir, whole_on_one(model), Precision::kF32, 64, 4, 2, kv);
    TestEngine split(dir, {.layers = {2, 0, 1, 1}}, Precision::kF32, 50, 4, 1, kv);
    int searched = 0;
    for (const GoldenCase& golden : read_goldens("llama_tiny"))
      for (size_t turn = 0; turn < golden.turns.size(); ++turn) {
        SCOPED_TRACE(golden.name + " " + std::string(kv_format_name(kv)));
        Request request = request_of(golden, turn);
        request.beams = 4;
        request.stop_strings.emplace();  // whole answers
        const Answer want = whole.ask(request), got = split.ask(request);
        EXPECT_EQ(got.token_ids, want.token_ids);
        EXPECT_EQ(got.beam_score, want.beam_score);
        EXPECT_NEAR(want.beam_score, mean_log_probability(whole, want), 1e-5);
        ++searched;
      }
    EXPECT_GT(searched, 0);
  }
}

}  // namespace
}  // namespace tessera
