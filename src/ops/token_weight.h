#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/float_math.h"

// How tokens are drawn, in numbers that are the same on every processor: keys in the order of the
// logits, and weights that are whole numbers. constexpr so that kernels have them too.

namespace tessera {

/// Keys have the order of the logits; -0 and 0 are one, NaN is above all.
constexpr uint32_t logit_key(float logit) {
  const auto bits = __builtin_bit_cast(uint32_t, logit + 0.0F);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0xffffffff;
  return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

/// The inverse.
constexpr float logit_of(uint32_t key) {
  return __builtin_bit_cast(float, key & 0x80000000 ? key & 0x7fffffff : ~key);
}

/// exp((logit - top) / temperature) in units of 2^-40: what is less likely than the top by more
/// than that is never drawn, and 2^23 of them have a sum.
static constexpr uint64_t token_weight(float logit, float top, float temperature) {
  return static_cast<uint64_t>(exp_f32_of_negative((logit - top) / temperature) * 0x1p40F);
}

/// The weight that the tokens kept by top_p reach.
constexpr uint64_t nucleus_weight(float top_p, uint64_t sum) {
  const double share = top_p > 0 ? double{top_p} : 0;
  const auto weight = static_cast<uint64_t>(share * static_cast<double>(sum));
  return weight > 0 ? weight : 1;
}

/// The least weight that min_p keeps: the likeliest token has 2^40, whatever the temperature.
constexpr uint64_t least_weight(float min_p) {
  const float share = min_p > 0 ? min_p < 1 ? min_p : 1.0F : 0.0F;
  return static_cast<uint64_t>(share * 0x1p40F);
}

/// a * b / 2^64, rounded down.
constexpr uint64_t upper_product(uint64_t a, uint64_t b) {
  const uint64_t a1 = a >> 32, a0 = a & 0xffffffff, b1 = b >> 32, b0 = b & 0xffffffff;
  const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + (((middle & 0xffffffff) + a0 * b1) >> 32);
}

}  // namespace tessera
