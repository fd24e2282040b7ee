#pragma once

#include <cstdint>

// Whole numbers with a common scale in the place of f32: number = code * scale. Internal linkage
// because it is compiled several times, for several instruction sets, all to the same bits;
// constexpr so that kernels have it too.

namespace tessera {

/// What a code is worth, and its inverse.
struct CodeScale {
  float scale, inverse;
};

/// The largest |x|; NaN when there is one. By the bits, in which order a NaN is above all numbers.
static constexpr float largest_magnitude(const float* x, int64_t count) {
  int32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t bits = __builtin_bit_cast(int32_t, x[i]) & 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return __builtin_bit_cast(float, largest);
}

/// The scale with which codes -most .. most reach numbers up to `largest`. 0 where all numbers are
/// so small (below 2^-100) that the inverse may be none; NaN where one is no number or infinite:
/// what is broken stays visible.
static constexpr CodeScale code_scale(float largest, float most) {
  if (!(largest < __builtin_inff())) return {__builtin_nanf(""), 0};
  if (largest < 0x1p-100F) return {0, 0};
  return {largest / most, most / largest};
}

/// The whole number nearest to x, |x| < 2^22, ties to even: adding 1.5 * 2^23 rounds.
static constexpr int32_t nearest_code(float x) {
  constexpr float kRound = 0x1.8p+23F;
  return __builtin_bit_cast(int32_t, x + kRound) - __builtin_bit_cast(int32_t, kRound);
}

}  // namespace tessera
