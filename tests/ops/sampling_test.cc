#include "ops/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/isa.h"
#include "ops/sampling_loops.h"
#include "tests/ops/op_device.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using F = std::vector<float>;

TEST(Greedy, TakesTheLargestAndOfEqualOnesTheFirst) {
  EXPECT_EQ(greedy_token(F{1, 5, 2}), 1);
  EXPECT_EQ(greedy_token(F{5, 1, 5}), 0);
  EXPECT_EQ(greedy_token(F{-INFINITY, -7}), 1);
}

TEST(Logits, WithoutAnAnswerAreAnError) {
  EXPECT_EQ(error_of([] {
              greedy_token(F{1, NAN});
            }),
            "logits: expected numbers, found NaN for token 1 (the weights are damaged, or a number "
            "overflowed)");
  Sampler sampler(1);
  for (const F& bad : {F{}, F{NAN}, F{0, INFINITY}, F{-INFINITY, -INFINITY}}) {
    EXPECT_NE(error_of([&] { greedy_token(bad); }), "no error");
    EXPECT_NE(error_of([&] { log_softmax(bad); }), "no error");
    EXPECT_NE(error_of([&] { top_logits(bad, 1); }), "no error");
    EXPECT_NE(error_of([&] { sampler.sample(bad, {}); }), "no error");
  }
}

TEST(SamplingLoops, WeighAsEachTokenAloneOnEveryInstructionSet) {
  std::vector<SamplingLoops> all = {sampling_loops_plain()};
  if (best_isa() >= Isa::kAvx2) all.push_back(sampling_loops_avx2());
  if (best_isa() >= Isa::kAvx512) all.push_back(sampling_loops_avx512());
  F logits = normal(3001, 4);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] *= i % 3 == 0 ? 30.0F : 4.0F;
  for (const float special : {0.0F, -0.0F, -1e-40F, -3e38F, -INFINITY}) logits.push_back(special);
  const float top = *std::ranges::max_element(logits);
  for (const float temperature : {1.0F, 0.3F, 1e-30F}) {
    for (const uint32_t key : {0U, logit_key(-2), logit_key(top)}) {
      for (const uint64_t least : {uint64_t{0}, uint64_t{1} << 30, uint64_t{1} << 40}) {
        std::vector<uint64_t> expected;
        uint64_t sum = 0;
        for (const float logit : logits) {
          const uint64_t weight = token_weight(logit, top, temperature);
          expected.push_back(logit_key(logit) >= key && weight >= least ? weight : 0);
          sum += expected.back();
        }
        for (const SamplingLoops& loops : all) {
          std::vector<uint64_t> got(logits.size());
          EXPECT_EQ(
              loops.weigh(logits.data(), {top, temperature, key, least}, got.data(), logits.size()),
              sum);
          EXPECT_EQ(got, expected);
        }
      }
    }
  }
}

TEST(LogSoftmax, MatchesTheFormula) {
  const F logits = normal(1000, 1);
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x});
  std::vector<double> want;
  for (const float x : logits) want.push_back(double{x} - std::log(sum));
  EXPECT_EQ(differs(log_softmax(logits), want, 1e-7), "");
  EXPECT_EQ(log_softmax(F{1000, -INFINITY}), (F{0, -INFINITY}));  // no overflow
}

TEST(TopLogits, SortsAndBreaksTiesByToken) {
  EXPECT_EQ(top_logits(F{1, 3, 2, 3}, 3), (std::vector<TokenLogit>{{1, 3}, {3, 3}, {2, 2}}));
  EXPECT_EQ(top_logits(F{1, 2}, 20).size(), 2U);
  EXPECT_TRUE(top_logits(F{1, 2}, 0).empty());
}

std::map<int32_t, double> shares(const F& logits, const SamplingOptions& options) {
  Sampler sampler(7);
  std::map<int32_t, double> share;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) share[sampler.sample(logits, options)] += 1.0 / kDraws;
  return share;
}

// The probabilities by the warpers' definition, in double: temperature, top_k, top_p, min_p.
std::map<int32_t, double> probabilities(const F& logits, const SamplingOptions& o) {
  std::vector<std::pair<double, int32_t>> order;
  for (size_t i = 0; i < logits.size(); ++i)
    order.emplace_back(std::exp(double{logits[i]} / double{o.temperature}), i);
  std::sort(order.rbegin(), order.rend());
  if (o.top_k > 0 && static_cast<size_t>(o.top_k) < order.size())
    order.resize(static_cast<size_t>(o.top_k));
  double sum = 0, reached = 0, kept_sum = 0;
  for (const auto& [weight, token] : order) sum += weight;
  std::map<int32_t, double> kept;
  for (const auto& [weight, token] : order) {
    if (!kept.empty() && reached >= double{o.top_p} * sum) break;
    reached += weight;
    kept[token] = weight;
  }
  std::erase_if(
      kept, [&](const auto& one) { return one.second < double{o.min_p} * order.front().first; });
  for (const auto& [token, weight] : kept) kept_sum += weight;
  for (auto& [token, weight] : kept) weight /= kept_sum;
  return kept;
}

TEST(Sampler, DrawsFromTheDistributionOfTheWarpers) {
  const F logits = {0.3F, 2, -1, 1.5F, 0, 2.5F, -3, 1};
  for (const SamplingOptions o :
       {SamplingOptions{}, SamplingOptions{.temperature = 0.5F},
        SamplingOptions{.temperature = 2, .top_k = 3}, SamplingOptions{.top_p = 0.7F},
        SamplingOptions{.temperature = 0.9F, .top_k = 5, .top_p = 0.8F},
        SamplingOptions{.top_p = 0}, SamplingOptions{.top_k = 1}, SamplingOptions{.min_p = 0.2F},
        SamplingOptions{.temperature = 3, .min_p = 0.5F}, SamplingOptions{.min_p = 1},
        SamplingOptions{.temperature = 1.5F, .top_k = 6, .top_p = 0.9F, .min_p = 0.3F},
        SamplingOptions{.top_k = 100, .top_p = 1}}) {
    const auto want = probabilities(logits, o);
    const auto got = shares(logits, o);
    for (const auto& [token, share] : got) EXPECT_TRUE(want.contains(token)) << token;
    // 20,000 draws: one standard deviation of a share is below 0.0036; allow four.
    for (const auto& [token, p] : want)
      EXPECT_NEAR(got.contains(token) ? got.at(token) : 0, p, 0.0145)
          << token << " at T " << o.temperature << ", k " << o.top_k << ", p " << o.top_p
          << ", min_p " << o.min_p;
  }
}

// So many tokens in the nucleus that it is sorted in several parts.
TEST(Sampler, ALargeNucleusIsSortedAsFarAsNeeded) {
  F logits(4000, 0);  // 3,000 of them hold a little more than 3/4 of the weight
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = i % 4 == 2 ? -0.01F : 0;
  Sampler sampler(3);
  for (int i = 0; i < 500; ++i) EXPECT_NE(sampler.sample(logits, {.top_p = 0.75F}) % 4, 2);
  int low = 0;
  for (int i = 0; i < 500; ++i) low += sampler.sample(logits, {.top_p = 0.85F}) % 4 == 2;
  EXPECT_GT(low, 0);
}

TEST(Sampler, TopKKeepsWhatEqualsTheLast) {
  const auto got = shares(F{1, 1, 1, 0}, {.top_k = 2});
  EXPECT_EQ(got.size(), 3U);
  EXPECT_FALSE(got.contains(3));
}

TEST(Sampler, ColdOrImpossibleTokens) {
  Sampler sampler(1);
  EXPECT_EQ(sampler.sample(F{1, 3, 2}, {.temperature = 0}), 1);
  EXPECT_EQ(sampler.sample(F{1, 3, 2}, {.temperature = -1}), 1);
  EXPECT_EQ(sampler.sample(F{1, 3, 2}, {.temperature = 1e-30F}), 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sampler.sample(F{-INFINITY, 0, -INFINITY}, {}), 1);
}

// The first draws of seed 42, on any machine: mt19937_64 and the order of sums are fixed.
TEST(Sampler, ASeedGivesTheSameTokensEverywhere) {
  F logits(50);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 7) * 0.5F;
  Sampler a(42), b(42), c(43);
  std::vector<int32_t> first, second, third;
  for (int i = 0; i < 20; ++i) {
    first.push_back(a.sample(logits, {.temperature = 0.8F, .top_k = 30, .top_p = 0.9F}));
    second.push_back(b.sample(logits, {.temperature = 0.8F, .top_k = 30, .top_p = 0.9F}));
    third.push_back(c.sample(logits, {.temperature = 0.8F, .top_k = 30, .top_p = 0.9F}));
  }
  EXPECT_EQ(first, second);
  EXPECT_NE(first, third);
}

}  // namespace
}  // namespace tessera
