// The same greedy tokens, and the same bits of every logit, for every split and chunk size.

#include <gtest/gtest.h>

#include <random>

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

// What the kernels store; the wide ones first.
constexpr Precision kStored[] = {Precision::kF32,  Precision::kBF16, Precision::kInt8,
                                 Precision::kInt6, Precision::kInt5, Precision::kInt4};

class SplitTest : public testing::TestWithParam<Precision> {};

TEST_P(SplitTest, NeverChangesAnAnswer) {
  const std::string dir = golden_dir("yi_vl_tiny");
  const ModelSpec model = describe_model(read_model_config(dir));
  std::vector<GoldenCase> cases = read_goldens("yi_vl_tiny");
  std::erase_if(cases, [](const GoldenCase& c) { return c.max_new_tokens < 16; });
  TestEngine whole(dir, whole_on_one(model), GetParam(), 512);

  std::mt19937 random(7);
  for (int draw = 0; draw < 24; ++draw) {
    const LayerSplit split = random_split(random, static_cast<int64_t>(model.layers.size()));
    const int64_t chunk = 1 + static_cast<int64_t>(random() % 200);
    SCOPED_TRACE(describe(split, chunk));
    TestEngine other(dir, split, GetParam(), chunk, 1, 1 + static_cast<int>(random() % 3));
    const Request request = request_of(cases[random() % cases.size()], 0);
    const Answer want = whole.ask(request);
    const Answer got = other.ask(request);
    EXPECT_EQ(got.token_ids, want.token_ids);
    EXPECT_EQ(got.first_logits, want.first_logits);  // floats compared as they are
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, SplitTest, testing::ValuesIn(kStored),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

}  // namespace
}  // namespace tessera
