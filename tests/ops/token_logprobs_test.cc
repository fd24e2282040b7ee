#include "ops/token_logprobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/op_device.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

std::vector<LogprobRow> told(OpDevice& device, std::vector<float>& logits, int64_t vocab,
                             std::vector<LogprobAsk> asks, std::vector<int32_t> tokens) {
  std::vector<LogprobRow> rows(asks.size());
  const auto structs = [&](auto& v) {
    return Tensor(device.memory(v), &device.device(), DType::kU8,
                  {std::ssize(v), int64_t{sizeof(v[0])}});
  };
  Tensor out = structs(rows);
  token_logprobs(device.stream(), device.view(logits, {std::ssize(logits) / vocab, vocab}),
                 structs(asks), device.view(tokens, {std::ssize(tokens)}), out);
  device.wait();
  return rows;
}

// Log softmax in double, likeliest first, of equals the lower id.
std::vector<std::pair<double, int32_t>> sorted_logprobs(std::span<const float> logits) {
  double sum = 0;
  const double top = double{std::ranges::max(logits)};
  for (const float logit : logits) sum += std::exp(double{logit} - top);
  std::vector<std::pair<double, int32_t>> all;
  for (size_t i = 0; i < logits.size(); ++i)
    all.emplace_back(double{logits[i]} - top - std::log(sum), i);
  std::ranges::stable_sort(all, std::greater{}, &std::pair<double, int32_t>::first);
  return all;
}

using TokenLogprobsOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, TokenLogprobsOp, testing::ValuesIn(op_targets()), target_name);

TEST_P(TokenLogprobsOp, AreTheFormulas) {
  OpDevice device = open();
  std::mt19937 random(11);
  for (const int64_t vocab : {1, 5, 31, 1024, 1025, 64000, 151936}) {
    for (const float scale : {0.0F, 0.01F, 3.0F}) {  // all equal; flat; as a model's
      if (vocab > 2000 && scale == 0.01F && GetParam().kind == DeviceKind::kCuda) continue;
      SCOPED_TRACE(testing::Message() << vocab << " tokens, scale " << scale);
      const int64_t rows = 3;
      auto logits = normal(rows * vocab, static_cast<uint32_t>(vocab));
      for (size_t i = 0; i < logits.size(); ++i) {
        logits[i] *= scale;
        if (i % 3 == 0 && scale > 1) logits[i] = std::round(logits[i]);  // many are equal
        if (i % 17 == 5) logits[i] = -INFINITY;
      }
      for (int64_t r = 0; r < rows; ++r) logits[static_cast<size_t>(r * vocab)] = 0.5F * scale;
      std::vector<int32_t> tokens(4);
      for (int32_t& token : tokens) do
          token = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
        while (vocab > 20 && token % 17 == 5);
      const std::vector<LogprobAsk> asks = {{.row = 2, .drawn = 0, .top = 20},
                                            {.row = 0, .drawn = 3, .top = 0},
                                            {.row = 1, .drawn = 1, .top = 5}};
      const auto got = told(device, logits, vocab, asks, tokens);
      for (size_t i = 0; i < asks.size(); ++i) {
        const auto row = std::span(logits).subspan(static_cast<size_t>(asks[i].row * vocab),
                                                   static_cast<size_t>(vocab));
        const auto all = sorted_logprobs(row);
        const int32_t token = tokens[static_cast<size_t>(asks[i].drawn)];
        const auto own = std::ranges::find(all, token, &std::pair<double, int32_t>::second);
        // token_logprobs.h: 5e-7 of the sum, and f32's rounding.
        EXPECT_EQ(differs({&got[i].logprob, 1}, {&own->first, 1}, 6e-8, 5e-7), "");
        for (size_t k = 0; k < static_cast<size_t>(asks[i].top); ++k) {
          if (k >= all.size()) {
            EXPECT_EQ(got[i].top_tokens[k], -1);
            continue;
          }
          EXPECT_EQ(got[i].top_tokens[k], all[k].second) << k;
          EXPECT_EQ(differs({&got[i].top_logprobs[k], 1}, {&all[k].first, 1}, 6e-8, 5e-7), "") << k;
        }
      }
    }
  }
}

TEST_P(TokenLogprobsOp, OfARowAreTheSameInAnyCompany) {
  OpDevice device = open();
  const int64_t vocab = 3000;
  auto logits = normal(4 * vocab, 2);
  std::vector<float> alone(logits.begin() + 2 * vocab, logits.begin() + 3 * vocab);
  const auto beside =
      told(device, logits, vocab,
           {{.row = 0, .top = 3}, {.row = 2, .drawn = 1, .top = 20}, {.row = 3}}, {7, 8});
  const auto by_itself = told(device, alone, vocab, {{.row = 0, .drawn = 0, .top = 20}}, {8});
  EXPECT_EQ(bits_differ({&beside[1].logprob, 1}, {&by_itself[0].logprob, 1}), "");
  EXPECT_EQ(bits_differ(beside[1].top_logprobs, by_itself[0].top_logprobs), "");
}

TEST_P(TokenLogprobsOp, LogitsWithoutAnAnswerAreNotTold) {
  OpDevice device = open(1);
  std::vector<float> logits = {-INFINITY, -INFINITY};
  const std::string error =
      error_of([&] { told(device, logits, 2, {{.row = 0, .drawn = 0, .top = 1}}, {0}); });
  if (GetParam().kind == DeviceKind::kCuda) return;  // the draw before it has said so
  EXPECT_EQ(error,
            "logits: expected numbers, found -inf as the largest (the weights are damaged, or a "
            "number overflowed)");
}

TEST(TokenLogprobs, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  std::vector<float> logits(8);
  std::vector<int32_t> tokens(2);
  std::vector<LogprobAsk> asks(2);
  std::vector<LogprobRow> rows(1);
  const Tensor ask(asks.data(), &cpu.device(), DType::kU8, {2, int64_t{sizeof(LogprobAsk)}});
  Tensor out(rows.data(), &cpu.device(), DType::kU8, {1, int64_t{sizeof(LogprobRow)}});
  EXPECT_EQ(
      error_of([&] {
        token_logprobs(cpu.stream(), cpu.view(logits, {2, 4}), ask, cpu.view(tokens, {2}), out);
      }),
      "token_logprobs: out: expected u8 [2, 164], found u8 [1, 164]");
}

}  // namespace
}  // namespace tessera
