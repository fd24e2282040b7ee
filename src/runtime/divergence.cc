#include "runtime/divergence.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace tessera {

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

RowDivergence compare_rows(std::span<const float> reference, std::span<const float> got,
                           int32_t next) {
  assert(reference.size() == got.size() && static_cast<size_t>(next) < got.size());
  const double reference_sum = log_sum_exp(reference), got_sum = log_sum_exp(got);
  double kl = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double log_p = reference[i] - reference_sum, log_q = got[i] - got_sum;
    const double p = std::exp(log_p);
    if (p != 0) kl += p * (log_p - log_q);  // 0 log 0 = 0; a NaN goes on
  }
  const auto at = static_cast<size_t>(next);
  return {.kl = kl < 0 ? 0 : kl,  // rounding; a NaN stays one
          .same_top = std::ranges::max_element(reference) - reference.begin() ==
                      std::ranges::max_element(got) - got.begin(),
          .log_p = reference[at] - reference_sum,
          .log_q = got[at] - got_sum};
}

// Welford 1962, Technometrics 4: the mean and the squared differences from it, in one pass.
void Divergence::add(const RowDivergence& row) {
  ++rows_;
  same_ += row.same_top ? 1 : 0;
  const double off = row.kl - mean_kl_;
  mean_kl_ += off / static_cast<double>(rows_);
  squares_ += off * (row.kl - mean_kl_);
  log_p_ += row.log_p;
  log_q_ += row.log_q;
}

double Divergence::kl_error() const {
  if (rows_ < 2) return 0;
  const auto rows = static_cast<double>(rows_);
  return std::sqrt(squares_ / (rows - 1) / rows);
}

double Divergence::top1_agreement() const {
  return static_cast<double>(same_) / static_cast<double>(rows_);
}

double Divergence::perplexity() const {
  return std::exp(-log_q_ / static_cast<double>(rows_));
}

double Divergence::reference_perplexity() const {
  return std::exp(-log_p_ / static_cast<double>(rows_));
}

}  // namespace tessera
