#pragma once

#include <cstdint>
#include <span>

namespace tessera {

/// log(sum over i of exp(logits[i])), in double.
double log_sum_exp(std::span<const float> logits);

/// What one row of logits says of the token that followed, beside what the reference said.
struct RowDivergence {
  double kl;            ///< sum over tokens of p log(p / q), p the reference's, in nats; >= 0
  bool same_top;        ///< both have the same likeliest token; of equals the first counts
  double log_p, log_q;  ///< of the token that followed, by the reference and by `got`
};

/// Both rows are logits over the same vocabulary; `next` is the token that followed. The same bits
/// twice give exactly 0. Sums in double, in the order of the vocabulary. Not a number where one of
/// the logits is not.
/// Source: Kullback and Leibler 1951, equation 2.4, between the two softmax distributions.
RowDivergence compare_rows(std::span<const float> reference, std::span<const float> got,
                           int32_t next);

/// Means over rows. The order in which rows are added is part of the result's last bits.
class Divergence {
 public:
  void add(const RowDivergence& row);

  int64_t rows() const { return rows_; }
  double mean_kl() const { return mean_kl_; }
  double kl_error() const;        ///< standard error of the mean: rows taken as independent
  double top1_agreement() const;  ///< share of rows, 0 to 1
  double perplexity() const;      ///< exp of the mean of -log_q
  double reference_perplexity() const;

 private:
  int64_t rows_ = 0, same_ = 0;
  double mean_kl_ = 0, squares_ = 0;  // of the differences from the mean
  double log_p_ = 0, log_q_ = 0;
};

}  // namespace tessera
