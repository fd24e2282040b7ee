#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/token_weight.h"

// The loops of a draw over some neighbouring logits, vectorised by the compiler and compiled once
// for each instruction set: internal linkage, so that nothing leaks into other files. The bits are
// the same.

namespace tessera {

/// Which tokens of a row have a weight.
struct WeightRule {
  float top;           ///< the row's largest logit
  float temperature;   ///< above 0
  uint32_t key = 0;    ///< the least logit_key
  uint64_t least = 0;  ///< the least weight
};

struct SamplingLoops {
  /// to[i] = token_weight of logits[i], 0 for what the rule drops. Returns their sum.
  uint64_t (*weigh)(const float* logits, const WeightRule& rule, uint64_t* to, size_t count);
};

SamplingLoops sampling_loops_plain();
SamplingLoops sampling_loops_avx2();
SamplingLoops sampling_loops_avx512();

namespace {

// logit_key of what is not NaN, without a branch.
inline uint32_t key_of_number(float logit) {
  const auto bits = __builtin_bit_cast(uint32_t, logit + 0.0F);
  return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000);
}

inline uint64_t weigh_loop(const float* logits, const WeightRule& rule, uint64_t* to,
                           size_t count) {
  const float top = rule.top, temperature = rule.temperature;
  const uint32_t least_key = rule.key;
  const uint64_t least = rule.least;
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    // token_weight in two halves of 20 bits: not every processor makes 64 bits of a float.
    const float high = exp_f32_of_negative((logits[i] - top) / temperature) * 0x1p20F;
    const auto whole = static_cast<int32_t>(high);
    const auto rest = static_cast<int32_t>((high - static_cast<float>(whole)) * 0x1p20F);
    const uint64_t weight =
        (static_cast<uint64_t>(static_cast<uint32_t>(whole)) << 20) + static_cast<uint32_t>(rest);
    const uint64_t likely = weight >= least ? weight : 0;
    const uint64_t kept = key_of_number(logits[i]) >= least_key ? likely : 0;
    to[i] = kept;
    sum += kept;
  }
  return sum;
}

constexpr SamplingLoops kSamplingLoops = {weigh_loop};

}  // namespace
}  // namespace tessera
