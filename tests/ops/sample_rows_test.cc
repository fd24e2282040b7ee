#include "ops/sample_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/token_weight.h"
#include "tests/ops/op_device.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// The definition: sorted, cut off, and drawn from in the order of ids.
int32_t drawn_by_definition(const std::vector<float>& logits, const TokenDraw& draw) {
  const SamplingOptions& o = draw.options;
  std::vector<TokenLogit> kept = top_logits(logits, static_cast<int64_t>(logits.size()));
  const float top = kept[0].logit;
  if (!(o.temperature > 0)) return kept[0].token;
  if (o.top_k > 0 && static_cast<size_t>(o.top_k) < kept.size()) {
    const float last = kept[static_cast<size_t>(o.top_k) - 1].logit;
    std::erase_if(kept, [&](const TokenLogit& t) { return t.logit < last; });
  }
  uint64_t sum = 0;
  for (const TokenLogit& t : kept) sum += token_weight(t.logit, top, o.temperature);
  if (o.top_p < 1) {
    const auto reach =
        static_cast<uint64_t>(std::max(0.0, double{o.top_p}) * static_cast<double>(sum));
    size_t count = 0;
    sum = 0;
    do sum += token_weight(kept[count++].logit, top, o.temperature);
    while (count < kept.size() && sum < reach);
    kept.resize(count);
  }
  if (o.min_p > 0) {
    const auto least = static_cast<uint64_t>(double{o.min_p} * 0x1p40);
    std::erase_if(kept, [&](const TokenLogit& t) {
      return token_weight(t.logit, top, o.temperature) < least;
    });
    sum = 0;
    for (const TokenLogit& t : kept) sum += token_weight(t.logit, top, o.temperature);
  }
  std::ranges::sort(kept, {}, &TokenLogit::token);
  const auto place =
      static_cast<long double>(draw.random) * 0x1p-64L * static_cast<long double>(sum);
  auto left = static_cast<uint64_t>(place);
  for (const TokenLogit& t : kept) {
    const uint64_t own = token_weight(t.logit, top, o.temperature);
    if (left < own) return t.token;
    left -= own;
  }
  return -1;
}

std::vector<uint8_t> bytes_of(const std::vector<TokenDraw>& draws) {
  std::vector<uint8_t> bytes(draws.size() * sizeof(TokenDraw));
  std::memcpy(bytes.data(), draws.data(), bytes.size());
  return bytes;
}

// Rows of logits in one call, each with its draw.
std::vector<int32_t> sampled(OpDevice& device, std::vector<float>& logits, int64_t vocab,
                             const std::vector<TokenDraw>& draws) {
  const auto rows = static_cast<int64_t>(draws.size());
  auto bytes = bytes_of(draws);
  std::vector<int32_t> got(draws.size(), -7);
  Tensor tokens = device.view(got, {rows});
  const Tensor draw = {
      device.memory(bytes), &device.device(), DType::kU8, {rows, int64_t{sizeof(TokenDraw)}}};
  sample_rows(device.stream(), device.view(logits, {rows, vocab}), draw, tokens);
  device.wait();
  return got;
}

const SamplingOptions kOptions[] = {
    {.temperature = 0},
    {},
    {.temperature = 0.3F},
    {.temperature = 3},
    {.top_k = 1},
    {.top_k = 40},
    {.temperature = 1.3F, .top_k = 500},
    {.top_p = 0},
    {.top_p = 0.9F},
    {.temperature = 2, .top_p = 0.999F},
    {.temperature = 0.8F, .top_k = 50, .top_p = 0.95F},
    {.temperature = 1e-30F, .top_p = 0.5F},
    {.min_p = 1},
    {.temperature = 2, .min_p = 0.1F},
    {.temperature = 1.5F, .top_k = 60, .min_p = 0.05F},
    {.temperature = 3, .top_k = 500, .top_p = 0.9F, .min_p = 0.3F},
};

using SampleRowsOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, SampleRowsOp, testing::ValuesIn(op_targets()), target_name);

TEST_P(SampleRowsOp, DrawsTheTokensOfTheDefinition) {
  OpDevice device = open();
  std::mt19937_64 random(5);
  for (const int64_t vocab : {1, 2, 31, 1000, 1024, 1025, 64000}) {
    std::vector<TokenDraw> draws;
    // On emulated GPUs a row takes as long for one token as for thousands.
    const int each = vocab == 1000 || (!cuda() && vocab < 2000) ? 3 : 1;
    for (const SamplingOptions& options : kOptions)
      for (int i = 0; i < each; ++i)
        draws.push_back({.options = options, .random = i == 2 ? UINT64_MAX : random()});
    if (vocab > 2000) draws.erase(draws.begin() + 2, draws.begin() + 8);  // for time's sake
    draws.push_back({.options = {.top_p = 0.7F}, .random = 0});
    const auto rows = static_cast<int64_t>(draws.size());
    auto logits = normal(rows * vocab, static_cast<uint32_t>(vocab));
    for (size_t i = 0; i < logits.size(); ++i) {
      logits[i] *= 4;
      if (i % 3 == 0) logits[i] = std::round(logits[i]);  // many are equal, some are -0
      if (i % 17 == 5) logits[i] = -INFINITY;
    }
    for (int64_t r = 0; r < rows; ++r) logits[static_cast<size_t>(r * vocab)] = 0.5F;
    const std::vector<int32_t> got = sampled(device, logits, vocab, draws);
    for (size_t r = 0; r < draws.size(); ++r) {
      const auto row = logits.begin() + static_cast<int64_t>(r) * vocab;
      const SamplingOptions& o = draws[r].options;
      EXPECT_EQ(got[r], drawn_by_definition({row, row + vocab}, draws[r]))
          << vocab << " tokens, T " << o.temperature << ", k " << o.top_k << ", p " << o.top_p
          << ", min_p " << o.min_p;
    }
  }
}

// Each part of the kernel in as few rows as show what its threads do to each other: for
// ThreadSanitizer and other orders of threads, which take long.
TEST_P(SampleRowsOp, EachWayInAFewRows) {
  OpDevice device = open(1);
  const int64_t vocab = 1500;
  std::vector<TokenDraw> draws;
  for (const SamplingOptions& options : {SamplingOptions{.top_k = 40},
                                         {.temperature = 0.8F, .top_k = 50, .top_p = 0.9F},
                                         {.temperature = 2, .top_p = 0.8F, .min_p = 0.05F}})
    draws.push_back({.options = options, .random = uint64_t{3} << 62});
  auto logits = normal(3 * vocab, 1);
  for (float& logit : logits) logit = std::round(2 * logit);  // many are equal
  const auto got = sampled(device, logits, vocab, draws);
  for (size_t r = 0; r < draws.size(); ++r) {
    const auto row = logits.begin() + static_cast<int64_t>(r) * vocab;
    EXPECT_EQ(got[r], drawn_by_definition({row, row + vocab}, draws[r])) << r;
  }
}

TEST_P(SampleRowsOp, OfEqualLogitsTheNucleusHasTheFirst) {
  OpDevice device = open(1);
  const int64_t vocab = 3000;
  std::vector<TokenDraw> draws;
  const size_t step = cuda() ? 5 : 1;
  for (uint64_t i = 0; i < 40; i += step)
    draws.push_back({.options = {.top_p = 0.25F}, .random = i << 58});
  std::vector<float> logits(draws.size() * vocab, 1.25F);
  const auto got = sampled(device, logits, vocab, draws);
  for (size_t i = 0; i < draws.size(); ++i)  // 750 of them, i / 64 of the way
    EXPECT_EQ(got[i], static_cast<int32_t>(i * step * 750 / 64));
}

// What the nucleus has left of equal tokens, min_p keeps or drops as one.
TEST_P(SampleRowsOp, OfTheNucleusMinPKeepsWhatIsLikelyEnough) {
  OpDevice device = open(1);
  const int64_t vocab = 4000;
  std::vector<TokenDraw> draws;
  for (const float min_p : {0.36F, 0.37F})  // exp(-1) = 0.3679
    for (uint64_t i = 0; i < 8; ++i)
      draws.push_back({.options = {.top_p = 0.9F, .min_p = min_p}, .random = i << 61});
  std::vector<float> row(vocab), logits;
  for (size_t i = 0; i < row.size(); ++i) row[i] = i % 4 == 3 ? 1 : 0;
  for (size_t r = 0; r < draws.size(); ++r) logits.insert(logits.end(), row.begin(), row.end());
  const auto got = sampled(device, logits, vocab, draws);
  bool unlikely = false;
  for (size_t i = 0; i < draws.size(); ++i) {
    EXPECT_EQ(got[i], drawn_by_definition(row, draws[i])) << i;
    if (i < 8) unlikely |= got[i] % 4 != 3;
    if (i >= 8) {
      EXPECT_EQ(got[i] % 4, 3) << i;
    }
  }
  EXPECT_TRUE(unlikely);
}

// Likelier tokens stand behind the equal ones that are cut off.
TEST_P(SampleRowsOp, TheEndOfTheNucleusMovesNoTokenBehindIt) {
  OpDevice device = open(1);
  const int64_t vocab = 5000;
  std::vector<TokenDraw> draws;
  for (uint64_t i = 0; i < 64; i += cuda() ? 5 : 1)
    draws.push_back({.options = {.top_p = 0.8F}, .random = i << 58});
  std::vector<float> row(vocab), logits;
  for (size_t i = 0; i < row.size(); ++i) row[i] = i % 2 == 0 ? 1 : 0;
  for (size_t r = 0; r < draws.size(); ++r) logits.insert(logits.end(), row.begin(), row.end());
  const auto got = sampled(device, logits, vocab, draws);
  for (size_t i = 0; i < draws.size(); ++i)
    EXPECT_EQ(got[i], drawn_by_definition(row, draws[i])) << i;
}

TEST_P(SampleRowsOp, GreedyTakesTheLargestAndOfEqualOnesTheFirst) {
  OpDevice device = open(1);
  const TokenDraw greedy = {.options = {.temperature = 0}};
  for (const int64_t vocab : {5, 64000}) {
    auto logits = normal(3 * vocab, 1);
    const auto at = [&](int64_t row, int64_t token) -> float& {
      return logits[static_cast<size_t>(row * vocab + token)];
    };
    at(0, vocab - 1) = at(0, 2) = 99;
    for (int64_t i = 0; i < vocab; ++i) at(1, i) = i == 3 ? -0.0F : i == 4 ? 0.0F : -1;
    for (int64_t i = 0; i < vocab; ++i) at(2, i) = -INFINITY;
    at(2, vocab - 1) = -3e38F;
    EXPECT_EQ(sampled(device, logits, vocab, {greedy, greedy, greedy}),
              (std::vector<int32_t>{2, 3, static_cast<int32_t>(vocab - 1)}));
  }
}

TEST_P(SampleRowsOp, ReadsStridedRows) {
  OpDevice device = open(1);
  std::vector<float> logits = {9, 1, 2, 9, 9, 4, 3, 9};
  auto bytes = bytes_of(std::vector<TokenDraw>(2, {.options = {.temperature = 0}}));
  std::vector<int32_t> got(2);
  Tensor tokens = device.view(got, {2});
  const Tensor draw = {
      device.memory(bytes), &device.device(), DType::kU8, {2, int64_t{sizeof(TokenDraw)}}};
  sample_rows(device.stream(), device.view(logits, {2, 4}).slice_cols(1, 2), draw, tokens);
  device.wait();
  EXPECT_EQ(got, (std::vector<int32_t>{1, 0}));
}

TEST_P(SampleRowsOp, LogitsWithoutAnAnswerAreAnError) {
  const std::string hint = " (the weights are damaged, or a number overflowed)";
  const auto error = [&](std::vector<float> logits, float temperature) {
    OpDevice device = open(1);
    return error_of([&] {
      sampled(device, logits, static_cast<int64_t>(logits.size()),
              {{.options = {.temperature = temperature}}});
    });
  };
  for (const float temperature : {0.0F, 1.0F}) {
    EXPECT_EQ(error({1, -NAN, INFINITY, NAN}, temperature),
              "logits: expected numbers, found NaN for token 1" + hint);
    EXPECT_EQ(error({1, INFINITY}, temperature),
              "logits: expected numbers, found inf as the largest" + hint);
    EXPECT_EQ(error({-INFINITY, -INFINITY}, temperature),
              "logits: expected numbers, found -inf as the largest" + hint);
  }
}

TEST(SampleRows, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  std::vector<float> logits(6);
  std::vector<int32_t> got(2);
  auto bytes = bytes_of(std::vector<TokenDraw>(2));
  Tensor tokens = cpu.view(got, {2});
  const Tensor draw = {bytes.data(), &cpu.device(), DType::kU8, {1, int64_t{sizeof(TokenDraw)}}};
  EXPECT_EQ(error_of([&] {
              sample_rows(cpu.stream(), cpu.view(logits, {2, 3}), draw, tokens);
            }),
            "sample_rows: draws: expected u8 [2, 32], found u8 [1, 32]");
  EXPECT_EQ(error_of([&] {
              sample_rows(cpu.stream(), cpu.view(logits, {2, 3}).slice_cols(0, 0), draw, tokens);
            }),
            "sample_rows: tokens of a row: expected 1 to 2^23 - 1, found 0");
}

}  // namespace
}  // namespace tessera
