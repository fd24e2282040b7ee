#include "ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tessera/error.h"

namespace tessera {
namespace {

// Larger logit first, of equal ones the lower id.
bool before(const TokenLogit& a, const TokenLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

[[noreturn]] void fail(std::string found) {
  throw Error({.where = "logits",
               .expected = "numbers",
               .found = std::move(found),
               .hint = "the weights are damaged, or a number overflowed"});
}

// The checked largest logit.
TokenLogit largest(std::span<const float> logits) {
  if (logits.empty()) fail("none");
  TokenLogit best = {0, logits[0]};
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto token = static_cast<int32_t>(i);
    if (std::isnan(logits[i])) fail("NaN for token " + std::to_string(token));
    if (logits[i] > best.logit) best = {token, logits[i]};
  }
  if (std::isinf(best.logit)) fail(std::to_string(best.logit) + " as the largest");
  return best;
}

}  // namespace

int32_t greedy_token(std::span<const float> logits) {
  return largest(logits).token;
}

std::vector<float> log_softmax(std::span<const float> logits) {
  const double top = double{largest(logits).logit};
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - top);
  const double log_sum = top + std::log(sum);
  std::vector<float> out(logits.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(double{logits[i]} - log_sum);
  return out;
}

std::vector<TokenLogit> top_logits(std::span<const float> logits, int64_t count) {
  largest(logits);
  std::vector<TokenLogit> all;
  all.reserve(logits.size());
  for (const float logit : logits) all.push_back({static_cast<int32_t>(all.size()), logit});
  const auto kept = std::clamp<int64_t>(count, 0, static_cast<int64_t>(all.size()));
  std::partial_sort(all.begin(), all.begin() + kept, all.end(), before);
  all.resize(static_cast<size_t>(kept));
  return all;
}

int32_t Sampler::sample(std::span<const float> logits, const SamplingOptions& options) {
  const TokenLogit top = largest(logits);
  if (!(options.temperature > 0)) return top.token;

  // Dividing by the temperature keeps the order, so top_k is taken on the logits themselves.
  kept_.clear();
  for (const float logit : logits) kept_.push_back({static_cast<int32_t>(kept_.size()), logit});
  keep_largest(options.top_k);

  // Weights relative to the largest: their sum is the softmax's denominator.
  const auto weight = [&](const TokenLogit& t) {
    return std::exp((double{t.logit} - double{top.logit}) / double{options.temperature});
  };
  double sum = 0;
  for (const TokenLogit& t : kept_) sum += weight(t);
  if (options.top_p < 1) {
    const double reach = std::max(0.0F, options.top_p) * sum;
    size_t count = 0, sorted = 0;
    sum = 0;
    do {
      if (count == sorted) sorted = sort_more(sorted);
      sum += weight(kept_[count++]);
    } while (count < kept_.size() && sum < reach);
    kept_.resize(count);
  }

  // 53 random bits: a uniform double in [0, 1), the same on every machine.
  double left = static_cast<double>(random_() >> 11) * 0x1p-53 * sum;
  for (const TokenLogit& t : kept_) {
    left -= weight(t);
    if (left < 0) return t.token;
  }
  return std::min_element(kept_.begin(), kept_.end(), before)->token;  // the sum was rounded up
}

void Sampler::keep_largest(int64_t count) {
  if (count <= 0 || static_cast<uint64_t>(count) >= kept_.size()) return;
  std::nth_element(kept_.begin(), kept_.begin() + (count - 1), kept_.end(), before);
  const float last = kept_[static_cast<size_t>(count - 1)].logit;
  std::erase_if(kept_, [last](const TokenLogit& t) { return t.logit < last; });
  std::sort(kept_.begin(), kept_.end(), before);  // nth_element's order is the library's own
}

size_t Sampler::sort_more(size_t sorted) {
  const size_t next = std::min(kept_.size(), std::max<size_t>(256, 8 * sorted));
  std::partial_sort(kept_.begin() + static_cast<int64_t>(sorted),
                    kept_.begin() + static_cast<int64_t>(next), kept_.end(), before);
  return next;
}

}  // namespace tessera
