#pragma once

#include <immintrin.h>

#include "ops/matmul_loops.h"
#include "ops/prepare_rows.h"

// Register blocks of AVX-512: rows x panels sums, kept in registers for a whole group. Only for
// files compiled for it: internal linkage.

namespace tessera {
namespace {

// Ahead of a block that reads its weights for few rows, and so at the memory's speed. A panel lies
// in one piece, so that this is what the same block reads next.
constexpr int64_t kAheadBytes = 4096;

template <int kRows>
inline void fetch(const void* at) {
  if constexpr (kRows <= 8) _mm_prefetch(static_cast<const char*>(at) + kAheadBytes, _MM_HINT_T0);
}

inline __m512 all_of(const float* x) {
  return _mm512_set1_ps(*x);
}
// Four bytes of a prepared row: two bf16, or four codes.
inline __m512i word(const void* x) {
  int32_t bits;
  memcpy(&bits, x, sizeof(bits));
  return _mm512_set1_epi32(bits);
}
inline __m512 odd_of(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
}
inline __m512 even_of(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

/// Multiplies pairs of bf16 with the instructions of f32, to the same bits as the pairs' own.
struct PairsByHalves {
  static __m512 add(__m512 sum, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(even_of(x), even_of(w), _mm512_fmadd_ps(odd_of(x), odd_of(w), sum));
  }
};

template <int kRows, int kPanels>
void block_f32(const GroupBlock& b) {
  __m512 sums[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p)
      sums[r][p] = _mm512_load_ps(b.sums + r * kSumStride + p * kPanel);
  const auto* x = static_cast<const float*>(b.x);
  for (int64_t i = 0; i < b.inputs; ++i) {
    __m512 w[kPanels];
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const float* at = static_cast<const float*>(b.w[p]) + i * kPanel;
      w[p] = _mm512_load_ps(at);
      fetch<kRows>(at);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512 from = all_of(x + r * b.x_stride + i);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) sums[r][p] = _mm512_fmadd_ps(from, w[p], sums[r][p]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p)
      _mm512_store_ps(b.sums + r * kSumStride + p * kPanel, sums[r][p]);
}

template <typename Pairs, int kRows, int kPanels>
void block_bf16(const GroupBlock& b) {
  __m512 sums[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p)
      sums[r][p] = _mm512_load_ps(b.sums + r * kSumStride + p * kPanel);
  const auto* x = static_cast<const uint16_t*>(b.x);
  for (int64_t i = 0; i < b.inputs; i += 2) {
    __m512i w[kPanels];
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const uint16_t* at = static_cast<const uint16_t*>(b.w[p]) + i * kPanel;
      w[p] = _mm512_load_si512(at);
      fetch<kRows>(at);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i from = word(x + r * b.x_stride + i);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) sums[r][p] = Pairs::add(sums[r][p], from, w[p]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p)
      _mm512_store_ps(b.sums + r * kSumStride + p * kPanel, sums[r][p]);
}

/// Dot::add(sum, w, x): sum + the products of four unsigned and four signed bytes, exact.
template <typename Dot, int kRows, int kPanels>
void block_codes(const GroupBlock& b) {
  __m512i whole[kRows][kPanels];
  const auto* x = static_cast<const int8_t*>(b.x);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) whole[r][p] = _mm512_set1_epi32(-b.zero * b.x_sums[r]);
  for (int64_t i = 0; i < b.inputs; i += 4) {
    __m512i w[kPanels];
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const auto* at = static_cast<const unsigned char*>(b.w[p]) + i * kPanel;
      w[p] = _mm512_load_si512(at);
      fetch<kRows>(at);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i from = word(x + r * b.x_stride + i);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) whole[r][p] = Dot::add(whole[r][p], w[p], from);
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < kPanels; ++p) {
    const auto* at = reinterpret_cast<const __m256i*>(b.w_scales[p]);
    const __m512 w_scale = even_of(_mm512_cvtepu16_epi32(_mm256_loadu_si256(at)));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      float* sum = b.sums + r * kSumStride + p * kPanel;
      const __m512 scale = _mm512_mul_ps(all_of(b.x_scales + r), w_scale);
      _mm512_store_ps(sum,
                      _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[r][p]), scale, _mm512_load_ps(sum)));
    }
  }
}

// Blocks of rows by panels: up to 24 sums; what is left of 32 registers holds weights. Up to eight
// rows, a decode step of several sequences, go in one pass over the weights.
struct Blocks {
  static constexpr int64_t kMaxRows = 8, kManyRows = 6;
  static constexpr int64_t wide(int64_t rows) { return rows <= 6 ? 4 : 2; }
};

struct KernelF32 : Blocks {
  static constexpr bool kInteger = false;
  static constexpr int64_t kValueBytes = 4;
  static constexpr Block kWide[] = {block_f32<1, 4>, block_f32<2, 4>, block_f32<3, 4>,
                                    block_f32<4, 4>, block_f32<5, 4>, block_f32<6, 4>,
                                    block_f32<7, 2>, block_f32<8, 2>};
  static constexpr Block kNarrow[] = {block_f32<1, 1>, block_f32<2, 1>, block_f32<3, 1>,
                                      block_f32<4, 1>, block_f32<5, 1>, block_f32<6, 1>,
                                      block_f32<7, 1>, block_f32<8, 1>};
};

template <typename Pairs>
struct KernelBf16 : Blocks {
  static constexpr bool kInteger = false;
  static constexpr int64_t kValueBytes = 2;
  static constexpr Block kWide[] = {block_bf16<Pairs, 1, 4>, block_bf16<Pairs, 2, 4>,
                                    block_bf16<Pairs, 3, 4>, block_bf16<Pairs, 4, 4>,
                                    block_bf16<Pairs, 5, 4>, block_bf16<Pairs, 6, 4>,
                                    block_bf16<Pairs, 7, 2>, block_bf16<Pairs, 8, 2>};
  static constexpr Block kNarrow[] = {block_bf16<Pairs, 1, 1>, block_bf16<Pairs, 2, 1>,
                                      block_bf16<Pairs, 3, 1>, block_bf16<Pairs, 4, 1>,
                                      block_bf16<Pairs, 5, 1>, block_bf16<Pairs, 6, 1>,
                                      block_bf16<Pairs, 7, 1>, block_bf16<Pairs, 8, 1>};
};

template <typename Dot>
struct KernelCodes : Blocks {
  static constexpr bool kInteger = true;
  static constexpr int64_t kValueBytes = 1;
  static constexpr Block kWide[] = {block_codes<Dot, 1, 4>, block_codes<Dot, 2, 4>,
                                    block_codes<Dot, 3, 4>, block_codes<Dot, 4, 4>,
                                    block_codes<Dot, 5, 4>, block_codes<Dot, 6, 4>,
                                    block_codes<Dot, 7, 2>, block_codes<Dot, 8, 2>};
  static constexpr Block kNarrow[] = {block_codes<Dot, 1, 1>, block_codes<Dot, 2, 1>,
                                      block_codes<Dot, 3, 1>, block_codes<Dot, 4, 1>,
                                      block_codes<Dot, 5, 1>, block_codes<Dot, 6, 1>,
                                      block_codes<Dot, 7, 1>, block_codes<Dot, 8, 1>};

  static void spread(const unsigned char* from, int bits, int64_t inputs, unsigned char* to) {
    const __m512i low = _mm512_set1_epi8(15);
    const unsigned char* planes = from + inputs * kPanel / 2;
    for (int64_t i = 0; i < inputs; i += 8) {
      const __m512i both = _mm512_load_si512(from + i * kPanel / 2);
      fetch<1>(from + i * kPanel / 2);
      __m512i codes[2] = {_mm512_and_si512(both, low),
                          _mm512_and_si512(_mm512_srli_epi16(both, 4), low)};
      for (int bit = 4; bit < bits; ++bit)
#pragma GCC unroll 8
        for (int half = 0; half < 2; ++half) {
          __mmask64 mask;
          memcpy(&mask, planes + (bit - 4) * inputs * 2 + i * 2 + half * 8, sizeof(mask));
          const auto value = static_cast<char>(1 << bit);
          codes[half] =
              _mm512_mask_add_epi8(codes[half], mask, codes[half], _mm512_set1_epi8(value));
        }
      _mm512_store_si512(to + i * kPanel, codes[0]);
      _mm512_store_si512(to + i * kPanel + 64, codes[1]);
    }
  }
};

}  // namespace
}  // namespace tessera
