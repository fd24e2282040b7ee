#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/kernel.cuh"

// Pages as the tensor cores take them. A page keeps keys as words (pair of dimensions, token) and
// values as words (pair of tokens, dimension): each such word is one of mma_bf16's b. Which token
// or dimension a column of b stands for is free, and so is the order along k if a has the same;
// both are chosen here so that what a lane needs lies side by side. With g = lane / 4, t = lane %
// 4, a step is 32 tokens in two pages:
//
//   keys     columns g of four products j: tokens 4 g + j of the step. Along k: pairs of dimensions
//            8 i + t and 8 i + t + 4 of product i. A lane loads four words of a pair at once.
//   scores   so a lane has, of queries g and g + 8, tokens 8 t .. 8 t + 7
//   values   along k, of product i: the pairs of tokens 4 t + 2 i, 4 t + 2 i + 1 of the step, which
//            are the lane's own weights. Columns g of two products j: dimensions 16 u + 2 g + j. A
//            lane loads two words at once.
//   sums     so a lane has, of queries g and g + 8, dimensions 16 u + 4 t .. + 3

namespace tessera {

__device__ inline uint32_t bf16_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

/// bf16 pages: the words as they are.
struct Bf16Words {
  static constexpr int kBytes = 4;        ///< of a word in the page
  static constexpr bool kScaled = false;  ///< whether tokens have scales
  using Four = uint4;                     ///< four words of the page
  using Two = uint2;
  __device__ static uint4 widen(const uint4& four) { return four; }
  __device__ static uint2 widen(const uint2& two) { return two; }
};

/// int8 pages: two codes to a word, which bf16 holds exactly.
struct Int8Words {
  static constexpr int kBytes = 2;
  static constexpr bool kScaled = true;
  using Four = uint2;
  using Two = uint32_t;
  // Bytes of two's complement in the low bytes of both halves -> bf16. The low seven bits of a code
  // are mantissa bits of 128 + (code & 127); to be taken off: 128, or 256 where it is negative.
  __device__ static uint32_t widen_spread(uint32_t spread) {
    const uint32_t raised = (spread & 0x007f007fU) | 0x43004300U;
    const uint32_t excess = (spread & 0x00800080U) | 0x43004300U;
    const __nv_bfloat162 code = __hsub2(*reinterpret_cast<const __nv_bfloat162*>(&raised),
                                        *reinterpret_cast<const __nv_bfloat162*>(&excess));
    return *reinterpret_cast<const uint32_t*>(&code);
  }
  __device__ static uint2 widen(uint32_t two) {
    return {widen_spread(__byte_perm(two, 0, 0x4140)), widen_spread(__byte_perm(two, 0, 0x4342))};
  }
  __device__ static uint4 widen(const uint2& four) {
    const uint2 low = widen(four.x), high = widen(four.y);
    return {low.x, low.y, high.x, high.y};
  }
};

template <typename T>
__device__ T load_or_zero(const std::byte* from, bool there) {
  return there ? __ldg(reinterpret_cast<const T*>(from)) : T{};
}

/// Values of dimensions d, d + 1 of a pair of tokens, d even; 0 past `dim`. Without kOdd dim is
/// even, and so two words start at an even one.
template <typename Words, bool kOdd>
__device__ typename Words::Two load_pair(const std::byte* pair, int d, int dim, bool there) {
  const std::byte* from = pair + d * Words::kBytes;
  if constexpr (!kOdd) {
    return load_or_zero<typename Words::Two>(from, there && d < dim);
  } else if constexpr (Words::kBytes == 4) {
    return {load_or_zero<uint32_t>(from, there && d < dim),
            load_or_zero<uint32_t>(from + 4, there && d + 1 < dim)};
  } else {
    return load_or_zero<uint16_t>(from, there && d < dim) |
           static_cast<uint32_t>(load_or_zero<uint16_t>(from + 2, there && d + 1 < dim)) << 16;
  }
}

/// What is left of a pair of tokens when the first `tokens` of it count.
__device__ inline uint32_t pair_mask(int tokens) {
  return tokens >= 2 ? 0xffffffffU : tokens == 1 ? 0xffffU : 0;
}

/// One lane's words of a for product i of queries g (top) and g + 8 (bottom), null: 0.
__device__ inline uint4 query_words(const float* top, const float* bottom, int i, int t, int dim) {
  const auto pair = [dim](const float* q, int d) {
    const bool low = q != nullptr && d < dim, high = q != nullptr && d + 1 < dim;
    return bf16_pair(low ? q[d] : 0, high ? q[d + 1] : 0);
  };
  const int d = 16 * i + 2 * t;
  return {pair(top, d), pair(bottom, d), pair(top, d + 8), pair(bottom, d + 8)};
}

__device__ inline void multiply(float (&sums)[4], const uint4& a, uint32_t low, uint32_t high) {
  const uint32_t left[4] = {a.x, a.y, a.z, a.w}, right[2] = {low, high};
  mma_bf16(sums, left, right);
}

/// Four products of one a: the dots of a step's tokens.
__device__ inline void multiply_keys(float (&dots)[4][4], const uint4& a, const uint4& low,
                                     const uint4& high) {
  multiply(dots[0], a, low.x, high.x);
  multiply(dots[1], a, low.y, high.y);
  multiply(dots[2], a, low.z, high.z);
  multiply(dots[3], a, low.w, high.w);
}

}  // namespace tessera
