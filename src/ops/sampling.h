#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace tessera {

// Host functions on one row of logits. Each throws Error when the row is empty, has a NaN, or has
// no finite number: a broken model must not look like an answer.

/// The id of the largest logit; of equal ones the lowest.
int32_t greedy_token(std::span<const float> logits);

/// log softmax of the row, in f64, largest first subtracted: what beam search adds up.
std::vector<float> log_softmax(std::span<const float> logits);

struct TokenLogit {
  int32_t token;
  float logit;
  bool operator==(const TokenLogit&) const = default;
};

/// The `count` largest, largest first, of equal ones the lower id first; all when there are fewer.
std::vector<TokenLogit> top_logits(std::span<const float> logits, int64_t count);

/// In the order in which transformers' warpers apply them: temperature, top_k, top_p, min_p (Nguyen
/// et al. 2024, arXiv:2407.01082). vLLM applies min_p before top_k and top_p: then top_p counts the
/// probability of what min_p has left.
struct SamplingOptions {
  float temperature = 1;  ///< 0 or below: greedy
  int64_t top_k = 0;      ///< keep the k largest logits (and those equal to the last); 0: all
  float top_p = 1;        ///< keep the fewest whose probability reaches p, at least one; 1: all
  float min_p = 0;        ///< keep what has at least this share of the likeliest's probability
};

/// What decides one row's token, wherever its logits are.
struct TokenDraw {
  SamplingOptions options = {};
  uint64_t random = 0;
};

/// The token. Weights are whole numbers (token_weight.h), so that their sums are exact in any order
/// and every device draws the same: of the tokens that are kept, in the order of their ids, the one
/// on whose weight random / 2^64 of the whole falls.
int32_t draw_token(std::span<const float> logits, const TokenDraw& draw);

/// Draws tokens. The same seed, options and logits give the same tokens on every machine.
class Sampler {
 public:
  explicit Sampler(uint64_t seed) : random_(seed) {}

  /// The next draw; greedy ones use no random number up.
  TokenDraw draw(const SamplingOptions& options);

  int32_t sample(std::span<const float> logits, const SamplingOptions& options) {
    return draw_token(logits, draw(options));
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace tessera
