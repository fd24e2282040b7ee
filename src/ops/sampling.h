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

/// In the order in which the reference applies them: temperature, top_k, top_p.
struct SamplingOptions {
  float temperature = 1;  ///< 0 or below: greedy
  int64_t top_k = 0;      ///< keep the k largest logits (and those equal to the last); 0: all
  float top_p = 1;        ///< keep the fewest whose probability reaches p, at least one; 1: all
};

/// Draws tokens. The same seed, options and logits give the same tokens on every machine.
class Sampler {
 public:
  explicit Sampler(uint64_t seed) : random_(seed) {}

  int32_t sample(std::span<const float> logits, const SamplingOptions& options);

 private:
  void keep_largest(int64_t count);  // of kept_, sorted, with those equal to the last; 0: all
  size_t sort_more(size_t sorted);   // the next largest of kept_ behind `sorted`; returns the end

  std::mt19937_64 random_;
  std::vector<TokenLogit> kept_;  // kept from call to call for its memory
};

}  // namespace tessera
