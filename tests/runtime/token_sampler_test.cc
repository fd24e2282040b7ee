#include "runtime/token_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "ops/edit_logits.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using Edits = std::map<int32_t, std::pair<float, float>>;  // token: penalty, add

// Without those that change nothing; fails when a token has two.
Edits edits_of(const WantedRow& row) {
  Edits edits;
  std::set<int32_t> seen;
  for (const LogitEdit& edit : row.edits) {
    EXPECT_TRUE(seen.insert(edit.token).second) << edit.token;
    if (edit.penalty != 1 || edit.add != 0) edits[edit.token] = {edit.penalty, edit.add};
  }
  return edits;
}

// From the definitions, of all tokens anew.
Edits edits_by_definition(const Request& r, const std::vector<int32_t>& prompt,
                          const std::vector<int32_t>& answer) {
  Edits edits;
  for (int32_t token = 0; token < 100; ++token) {
    const auto in_answer = static_cast<double>(std::ranges::count(answer, token));
    const bool seen = in_answer > 0 || std::ranges::count(prompt, token) > 0;
    double add = -r.frequency_penalty * in_answer - (in_answer > 0 ? r.presence_penalty : 0);
    for (const auto& [biased, bias] : r.logit_bias)
      if (biased == token) add += double{bias};
    const double penalty = seen ? r.repetition_penalty : 1;
    if (penalty != 1 || static_cast<float>(add) != 0)
      edits[token] = {static_cast<float>(penalty), static_cast<float>(add)};
  }
  return edits;
}

TEST(TokenSampler, CountsWhatPenaltiesAndBiasesNeed) {
  const std::vector<int32_t> prompt = {3, 3, -200, 7, 50};
  std::mt19937 random(1);
  for (const double repetition : {1.0, 1.3})
    for (const double frequency : {0.0, 0.5})
      for (const double presence : {0.0, -0.25}) {
        Request request{.repetition_penalty = repetition,
                        .frequency_penalty = frequency,
                        .presence_penalty = presence,
                        .logit_bias = {{9, 2.0F}, {50, -1.0F}, {9, 0.5F}}};
        TokenSampler sampler(request, prompt);
        std::vector<int32_t> answer;
        for (int i = 0; i < 60; ++i) {
          EXPECT_EQ(edits_of(sampler.next()), edits_by_definition(request, prompt, answer)) << i;
          answer.push_back(static_cast<int32_t>(random() % 12));
          sampler.accept(answer.back());
        }
      }
}

TEST(TokenSampler, WithoutPenaltiesARowCostsNothing) {
  TokenSampler sampler({.repetition_penalty = 1}, std::vector<int32_t>{1, 2, 3});
  sampler.accept(5);
  const WantedRow row = sampler.next();
  EXPECT_FALSE(row.edited());
  EXPECT_FALSE(row.wants_logprobs());
}

std::vector<uint64_t> random_numbers(const Request& request, int choice) {
  TokenSampler sampler(request, {}, choice);
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 5; ++i) {
    numbers.push_back(sampler.next().draw->random);
    EXPECT_EQ(sampler.next().draw->random, numbers.back());  // a step was abandoned
    sampler.accept(i);
  }
  return numbers;
}

TEST(TokenSampler, EachChoiceHasARandomNumberOfItsOwnForEachToken) {
  const Request request{.temperature = 1, .seed = 5};
  std::set<uint64_t> all;
  for (int choice = 0; choice < 4; ++choice) {
    const auto numbers = random_numbers(request, choice);
    EXPECT_EQ(random_numbers(request, choice), numbers);
    all.insert(numbers.begin(), numbers.end());
  }
  EXPECT_EQ(all.size(), 20U);
  Sampler alone(5);  // what generate() has always drawn with
  EXPECT_EQ(random_numbers(request, 0)[0], alone.draw({}).random);

  const Request unseeded{.temperature = 1};
  EXPECT_NE(random_numbers(unseeded, 0), random_numbers(unseeded, 0));
}

TEST(TokenSampler, HandsOnWhatTheRequestWants) {
  const Request request{
      .temperature = 0.5, .top_p = 0.9, .top_k = 7, .min_p = 0.25, .top_logprobs = 4};
  TokenSampler sampler(request, {});
  const WantedRow row = sampler.next();
  EXPECT_EQ(row.draw->options.temperature, 0.5F);
  EXPECT_EQ(row.draw->options.top_p, 0.9F);
  EXPECT_EQ(row.draw->options.top_k, 7);
  EXPECT_EQ(row.draw->options.min_p, 0.25F);
  EXPECT_EQ(row.top_logprobs, 4);
}

// Allows the tokens from `first` on; one more with each that is accepted.
class FromFirst final : public TokenMask {
 public:
  FromFirst(int64_t first, int* asked) : first_(first), asked_(asked) {}
  void allowed(std::span<uint32_t> bits) const override {
    ++*asked_;
    std::ranges::fill(bits, 0U);
    for (auto token = static_cast<size_t>(first_); token < bits.size() * 32; ++token)
      bits[token / 32] |= 1U << token % 32;
  }
  void accept(int32_t) override { ++first_; }
  bool complete() const override { return false; }

 private:
  int64_t first_;
  int* asked_;
};

TEST(TokenSampler, AsksTheMaskOnceATokenAndRefusesAnEmptyOne) {
  int asked = 0;
  TokenSampler sampler({.temperature = 0}, {});
  sampler.restrict_to(std::make_unique<FromFirst>(39, &asked), 40);  // 40 to 63 are no tokens
  EXPECT_TRUE(sampler.next().edited());
  const WantedRow row = sampler.next();
  EXPECT_EQ(asked, 1);
  ASSERT_EQ(row.mask.size(), 2U);
  EXPECT_EQ(row.mask[0], 0U);
  EXPECT_EQ(row.mask[1] & 0xffU, 0x80U);
  sampler.accept(39);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(error_of([&] { sampler.next(); }),
              "form of the answer: expected a token that may come next, found none (the model's "
              "vocabulary cannot write what the form demands)");
}

}  // namespace
}  // namespace tessera
