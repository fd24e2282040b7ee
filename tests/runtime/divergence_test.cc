#include "runtime/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "runtime/rank_correlation.h"

namespace tessera {
namespace {

using Row = std::vector<float>;

Row random_row(std::mt19937& random, size_t size, double spread) {
  std::normal_distribution<double> normal(0, spread);
  Row row(size);
  for (float& logit : row) logit = static_cast<float>(normal(random));
  return row;
}

// The definition, in long double and without any rearrangement: softmax first.
std::vector<long double> softmax(const Row& logits) {
  std::vector<long double> out(logits.begin(), logits.end());
  for (long double& value : out) value = std::exp(value);
  const long double sum = std::accumulate(out.begin(), out.end(), 0.0L);
  for (long double& value : out) value /= sum;
  return out;
}

long double kl_of(const Row& reference, const Row& got) {
  const auto p = softmax(reference), q = softmax(got);
  long double kl = 0;
  for (size_t i = 0; i < p.size(); ++i) kl += p[i] * std::log(p[i] / q[i]);
  return kl;
}

TEST(Divergence, IsTheDefinitionInLongDouble) {
  std::mt19937 random(1);
  for (const size_t vocab : {1U, 2U, 31U, 1200U, 64000U})
    for (const double off : {0.0, 1e-4, 0.1, 3.0}) {
      const Row reference = random_row(random, vocab, 3);
      Row got = reference;
      const Row noise = random_row(random, vocab, off);
      for (size_t i = 0; i < vocab; ++i) got[i] += noise[i];
      const auto next = static_cast<int32_t>(vocab / 2);
      const RowDivergence row = compare_rows(reference, got, next);
      // A sum of n numbers is off by sqrt(n) u where roundings go both ways, 2.8e-14 for 64000; two
      // such sums stand in log p - log q. Twice that.
      EXPECT_NEAR(row.kl, static_cast<double>(kl_of(reference, got)), 1.2e-13)
          << vocab << " " << off;
      const auto at = static_cast<size_t>(next);
      EXPECT_NEAR(row.log_p, static_cast<double>(std::log(softmax(reference)[at])), 1e-13);
      EXPECT_NEAR(row.log_q, static_cast<double>(std::log(softmax(got)[at])), 1e-13);
    }
}

TEST(Divergence, TheSameBitsGiveExactlyNothing) {
  std::mt19937 random(2);
  Divergence all;
  for (int i = 0; i < 50; ++i) {
    const Row row = random_row(random, 777, 5);
    const RowDivergence same = compare_rows(row, row, i);
    EXPECT_EQ(same.kl, 0);
    EXPECT_EQ(same.log_p, same.log_q);
    all.add(same);
  }
  EXPECT_EQ(all.mean_kl(), 0);
  EXPECT_EQ(all.kl_error(), 0);
  EXPECT_EQ(all.top1_agreement(), 1);
  EXPECT_EQ(all.perplexity(), all.reference_perplexity());
}

TEST(Divergence, IsNeverBelowNothingAndNeverHidesWhatIsNoNumber) {
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    const Row reference = random_row(random, 100, 2);
    Row got = reference;
    got[static_cast<size_t>(i % 100)] = std::nextafter(got[static_cast<size_t>(i % 100)], 9.0F);
    EXPECT_GE(compare_rows(reference, got, 0).kl, 0);
  }
  const Row reference = {1, 2, 3};
  EXPECT_TRUE(std::isnan(compare_rows(reference, Row{1, NAN, 3}, 0).kl));
  EXPECT_TRUE(std::isnan(compare_rows(Row{1, NAN, 3}, reference, 0).kl));
  EXPECT_TRUE(std::isnan(compare_rows(reference, Row{1, INFINITY, 3}, 0).kl));
  // A token that the reference rules out costs nothing.
  EXPECT_EQ(compare_rows(Row{1, 1, -INFINITY}, Row{5, 5, -900}, 0).kl, 0);
}

TEST(Divergence, OfEqualLogitsTheFirstIsTheLikeliest) {
  EXPECT_TRUE(compare_rows(Row{2, 2, 1}, Row{3, 1, 1}, 0).same_top);
  EXPECT_FALSE(compare_rows(Row{2, 2, 1}, Row{1, 3, 1}, 0).same_top);
}

TEST(Divergence, MeansAndTheirError) {
  Divergence all;
  const std::vector<double> kls = {0.5, 0.25, 1.5, 0.75};
  for (size_t i = 0; i < kls.size(); ++i)
    all.add({.kl = kls[i],
             .same_top = i == 0,
             .log_p = -std::log(2.0),
             .log_q = i % 2 == 0 ? -std::log(2.0) : -std::log(8.0)});
  EXPECT_EQ(all.rows(), 4);
  EXPECT_DOUBLE_EQ(all.mean_kl(), 0.75);
  // Deviations -0.25, -0.5, 0.75, 0: sum of squares 0.875; / 3 / 4, and the root.
  EXPECT_DOUBLE_EQ(all.kl_error(), std::sqrt(0.875 / 12));
  EXPECT_DOUBLE_EQ(all.top1_agreement(), 0.25);
  EXPECT_DOUBLE_EQ(all.reference_perplexity(), 2);
  EXPECT_DOUBLE_EQ(all.perplexity(), 4);
}

TEST(RankCorrelation, IsSpearmans) {
  using Values = std::vector<double>;
  EXPECT_DOUBLE_EQ(*rank_correlation(Values{1, 2, 3, 4}, Values{1, 10, 100, 1000}), 1);
  EXPECT_DOUBLE_EQ(*rank_correlation(Values{1, 2, 3, 4}, Values{9, 8, 2, 1}), -1);
  // 1 - 6 sum d^2 / (n (n^2 - 1)) without ties: ranks 1 2 3 4 5 and 2 1 4 3 5.
  EXPECT_NEAR(*rank_correlation(Values{1, 2, 3, 4, 5}, Values{20, 10, 40, 30, 50}), 0.8, 1e-12);
  // Ties share their mean: ranks 1 2.5 2.5 4 and 1 2 3 4, by Pearson's formula.
  EXPECT_NEAR(*rank_correlation(Values{1, 2, 2, 3}, Values{1, 2, 3, 4}), 4.5 / std::sqrt(4.5 * 5),
              1e-12);
  EXPECT_FALSE(rank_correlation(Values{1, 1, 1}, Values{1, 2, 3}));
  EXPECT_FALSE(rank_correlation(Values{1}, Values{1}));
  EXPECT_FALSE(rank_correlation(Values{}, Values{}));
}

}  // namespace
}  // namespace tessera
