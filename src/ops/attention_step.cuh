#pragma once

#include <cstdint>

#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_words.cuh"
#include "ops/reduce.cuh"

// The softmax of a row, in an order that its tokens alone give. Within a split, step by step of 32
// tokens, from m = the lowest f32, l = 0, a = 0; scores as powers of 2:
//
//   s[t]  = dot(q, key[t]) * (scale * log2(e)), over int8 pages * (key_scale[t] * ..)
//   m'    = the larger of m and all s[t] of the step
//   p[t]  = exp2(s[t] - m'); c = exp2(m - m')
//   l     = l * c + the sum of p: of eight neighbours as a tree, then a tree over those
//   a[d]  = a[d] * c, then two mma_bf16 of bf16(p[t]) and value[t][d], over int8 pages of
//           bf16(p[t] * value_scale[t]) and the codes
//
// Splits are combined one after another, the first one taken as it is:
//
//   M' = the larger of M and m; L = L * exp2(M - M') + l * exp2(m - M'), and so every A[d]
//   out[d] = A[d] / L
//
// Nothing here is left to the compiler's choice of contractions: kernels agree to the bit.

namespace tessera {

/// Of queries g and g + 8, tokens 8 t .. 8 t + 7 of a step.
struct StepScores {
  float of[2][8];
};

/// The lane's key scales or value scales of a step; nothing for bf16.
struct TokenScales {
  float of[8];
};

template <typename Words>
__device__ StepScores scale_dots(const float (&dots)[4][4], float scale,
                                 const TokenScales& key_scales) {
  StepScores scores;
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    const float by = Words::kScaled ? __fmul_rn(key_scales.of[e], scale) : scale;
#pragma unroll
    for (int h = 0; h < 2; ++h) scores.of[h][e] = __fmul_rn(dots[e % 4][2 * h + e / 4], by);
  }
  return scores;
}

/// The largest score of a step, of a lane's tokens the first `count`. All four lanes of a query get
/// it. A NaN counts for nothing: it comes through the weights.
__device__ inline float largest_of_step(const float (&scores)[8], int count) {
  float most = kLowestScore;
#pragma unroll
  for (int e = 0; e < 8; ++e)
    if (e < count) most = fmaxf(most, scores[e]);
  most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, 1));
  return fmaxf(most, __shfl_xor_sync(kWholeWarp, most, 2));
}

/// Scores -> weights; those past `count` are 0. Returns the step's sum.
__device__ inline float soften(float (&scores)[8], int count, float largest) {
#pragma unroll
  for (int e = 0; e < 8; ++e) scores[e] = e < count ? exp2f(scores[e] - largest) : 0;
  const float sum = ((scores[0] + scores[1]) + (scores[2] + scores[3])) +
                    ((scores[4] + scores[5]) + (scores[6] + scores[7]));
  const float pair = sum + __shfl_xor_sync(kWholeWarp, sum, 1);
  return pair + __shfl_xor_sync(kWholeWarp, pair, 2);
}

/// The words of a for product i of weights and values. `count` as above: a scale past it may be
/// NaN, and 0 * NaN is not 0.
template <typename Words>
__device__ uint4 weight_words(const StepScores& weights, const int (&count)[2], int i,
                              const TokenScales& value_scales) {
  const auto pair = [&](int h, int e) {
    float low = weights.of[h][e], high = weights.of[h][e + 1];
    if constexpr (Words::kScaled) {
      low = e < count[h] ? low * value_scales.of[e] : 0;
      high = e + 1 < count[h] ? high * value_scales.of[e + 1] : 0;
    }
    return bf16_pair(low, high);
  };
  return {pair(0, 4 * i), pair(1, 4 * i), pair(0, 4 * i + 2), pair(1, 4 * i + 2)};
}

/// What splits have come to, and how the next one is added.
struct SplitTotal {
  float largest, sum;

  struct Factors {
    float keep, add;
  };
  __device__ Factors take(float split_largest, float split_sum) {
    const float most = fmaxf(largest, split_largest);
    const Factors factors = {exp2f(largest - most), exp2f(split_largest - most)};
    largest = most;
    sum = fmaf(split_sum, factors.add, __fmul_rn(sum, factors.keep));
    return factors;
  }
};

__device__ inline float combined(float total, float part, const SplitTotal::Factors& by) {
  return fmaf(part, by.add, __fmul_rn(total, by.keep));
}

}  // namespace tessera
