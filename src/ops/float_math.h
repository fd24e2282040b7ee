#pragma once

#include <cstdint>
#include <type_traits>

// Functions of one f32 that give the same bits on every instruction set: only additions,
// subtractions, multiplications, divisions and, where they are written, fused multiply-adds, each
// rounded once (the build forbids to contract others). Loops over them are vectorised by the
// compiler. They have internal linkage because they are compiled several times, for several
// instruction sets, and are constexpr for the sake of GPUs' code.
//
// The coefficients come from tools/ops/fit_polynomials.py.

namespace tessera {

constexpr float kExpMin = -87.33654F;
constexpr float kLog2E = 0x1.715476p+0F;

/// Adding it rounds to a whole number, held in the low bits.
constexpr float kRoundExp = 0x1.8p+23F;

/// a * b + c, rounded once; a call of the C library where there is no instruction for it.
static constexpr float multiply_add(float a, float b, float c) {
  return std::is_constant_evaluated() ? a * b + c : __builtin_fmaf(a, b, c);
}

/// exp(y) = mantissa * 2^exponent, for y that is neither too small nor too large for f32.
struct ExpParts {
  float mantissa;
  int32_t exponent;
};
static constexpr ExpParts exp_parts(float y) {
  constexpr float kLn2High = 0x1.63p-1F;  // nine bits: n * kLn2High is exact
  constexpr float kLn2Low = -0x1.bd0106p-13F;

  const float shifted = multiply_add(y, kLog2E, kRoundExp);
  const float n = shifted - kRoundExp;
  const float r = multiply_add(-n, kLn2Low, multiply_add(-n, kLn2High, y));  // |r| <= ln(2) / 2
  float tail = 0x1.6d110ap-10F;  // (exp(r) - 1 - r) / r^2
  tail = multiply_add(tail, r, 0x1.120b6ep-7F);
  tail = multiply_add(tail, r, 0x1.55551ap-5F);
  tail = multiply_add(tail, r, 0x1.5554dcp-3F);
  tail = multiply_add(tail, r, 0x1.000000p-1F);
  return {1.0F + multiply_add(r * r, tail, r),
          __builtin_bit_cast(int32_t, shifted) - __builtin_bit_cast(int32_t, kRoundExp)};
}

/// exp(x) within 2 units in the last place; below -87.3, where f32 loses digits, 0; above 88.72
/// infinity; NaN stays NaN.
static inline float exp_f32(float x) {
  constexpr float kMax = 89.0F;
  const float at_least = x < kExpMin ? kExpMin : x;  // comparisons written so that NaN passes
  const ExpParts parts = exp_parts(at_least > kMax ? kMax : at_least);
  // times 2^n in two steps, as 2^128 is no f32
  const int32_t half = parts.exponent >> 1;
  const auto first = static_cast<uint32_t>(half + 127) << 23;  // unsigned: NaN may overflow it
  const auto second = static_cast<uint32_t>(parts.exponent - half + 127) << 23;
  const float result =
      parts.mantissa * __builtin_bit_cast(float, first) * __builtin_bit_cast(float, second);
  return x < kExpMin ? 0.0F : result;
}

/// exp_f32 of what is not above 0, to the same bits with fewer steps.
static constexpr float exp_f32_of_negative(float x) {
  const ExpParts parts = exp_parts(x < kExpMin ? kExpMin : x);
  const auto power = static_cast<uint32_t>(parts.exponent + 127) << 23;
  const float result = parts.mantissa * __builtin_bit_cast(float, power);
  return x < kExpMin ? 0.0F : result;
}

/// 2^x of what is not above 0, within one unit in the last place; below -126 0; NaN stays NaN.
static constexpr float exp2_f32_of_negative(float x) {
  constexpr float kMin = -126.0F;
  const float at_least = x < kMin ? kMin : x;
  const float shifted = at_least + kRoundExp;
  const float r = at_least - (shifted - kRoundExp);  // |r| <= 1 / 2
  float slope = 0x1.44138cp-13F;                     // (2^r - 1) / r
  slope = multiply_add(slope, r, 0x1.5f0894p-10F);
  slope = multiply_add(slope, r, 0x1.3b2a54p-7F);
  slope = multiply_add(slope, r, 0x1.c6af6cp-5F);
  slope = multiply_add(slope, r, 0x1.ebfbe0p-3F);
  slope = multiply_add(slope, r, 0x1.62e430p-1F);
  // Of kRoundExp's own bits, none stay.
  const uint32_t power = (__builtin_bit_cast(uint32_t, shifted) + 127) << 23;
  const float result = multiply_add(slope, r, 1.0F) * __builtin_bit_cast(float, power);
  return x < kMin ? 0.0F : result;
}

struct SineCosine {
  float sine, cosine;
};
/// Of an angle in rad, below 2^24 of either sign: within 0.501 units in the last place. Infinity
/// and NaN give NaN.
static inline SineCosine sine_cosine(float angle) {
  constexpr double kTwoByPi = 0x1.45f306dc9c883p-1, kRound = 0x1.8p+52;
  // Half of pi in parts, of which the products with n are exact.
  constexpr double kFirst = 0x1.921fb54p+0, kSecond = 0x1.10b461p-30, kRest = 0x1.a62633145c06ep-58;
  const double shifted = double{angle} * kTwoByPi + kRound;
  const double n = shifted - kRound;
  const double r = double{angle} - n * kFirst - n * kSecond - n * kRest;  // |r| <= pi / 4
  const double u = r * r;
  double tail = 0x1.6dbdd26f56d2dp-19;  // (sin(r) - r) / r^3
  tail = tail * u - 0x1.a013a6edc8f34p-13;
  tail = tail * u + 0x1.11110deeb33b2p-7;
  tail = tail * u - 0x1.555555545dd83p-3;
  const double sine = r + r * u * tail;
  tail = -0x1.25242a3a17327p-22;  // (cos(r) - 1 + r^2 / 2) / r^4
  tail = tail * u + 0x1.a015c40ec65ecp-16;
  tail = tail * u - 0x1.6c16bf5495185p-10;
  tail = tail * u + 0x1.5555555502be6p-5;
  const double cosine = 1.0 - 0.5 * u + u * u * tail;
  const auto quarters = __builtin_bit_cast(uint64_t, shifted);  // turned back, of a turn
  const bool odd = (quarters & 1) != 0;
  const double s = odd ? cosine : sine, c = odd ? sine : cosine;
  return {static_cast<float>((quarters & 2) != 0 ? -s : s),
          static_cast<float>(((quarters + 1) & 2) != 0 ? -c : c)};
}

/// x / (1 + exp(-z)): silu for z = x, and the two approximations of GELU.
static inline float times_sigmoid(float x, float z) {
  return x / (1.0F + exp_f32(-z));
}

static inline float silu_f32(float x) {
  return times_sigmoid(x, x);
}

static inline float gelu_quick_f32(float x) {
  return times_sigmoid(x, 1.702F * x);
}

// (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))
static inline float gelu_tanh_f32(float x) {
  constexpr float kTwoRootTwoByPi = 1.5957691216F;
  return times_sigmoid(x, kTwoRootTwoByPi * (x + 0.044715F * x * x * x));
}

/// x Phi(x), Phi the normal distribution, whose upper tail is exp(-x^2 / 2) t P(t) with
/// t = 1 / (1 + |x| / 4): one formula for all x, and no digits lost for negative ones.
static inline float gelu_erf_f32(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float t = 1.0F / (1.0F + 0.25F * magnitude);
  float p = 0x1.f81704p-7F;
  p = multiply_add(p, t, -0x1.cd9500p-5F);
  p = multiply_add(p, t, 0x1.2bf3c2p-5F);
  p = multiply_add(p, t, 0x1.8bd25ep-5F);
  p = multiply_add(p, t, -0x1.e213d6p-9F);
  p = multiply_add(p, t, 0x1.86a888p-4F);
  p = multiply_add(p, t, 0x1.1aabf2p-4F);
  p = multiply_add(p, t, 0x1.89d57ep-4F);
  p = multiply_add(p, t, 0x1.9735e2p-4F);
  p = multiply_add(p, t, 0x1.989556p-4F);
  const float upper = exp_f32(-0.5F * x * x) * (t * p);
  return x * (x < 0 ? upper : 1.0F - upper);
}

}  // namespace tessera
