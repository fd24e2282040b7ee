#pragma once

#include <immintrin.h>

#include <utility>

#include "ops/matmul_loops.h"
#include "ops/prepare_rows.h"

// Register blocks of AVX-512: rows x panels sums, kept in registers for a whole chunk. Only for
// files compiled for it: internal linkage.

namespace tessera {
namespace {

// Blocks ask for what will be read next. Weights that come once, so far ahead, all panels together,
// into the L1 cache, whose own prefetches are too few at a time to cover the latency of memory; on
// a Zen 5 4 KiB are too few for 5 and 6 bits, and 6 KiB 2 % slower with 4 and 8. Their scales four
// groups ahead: a group of int4 is shorter than what the processor looks ahead, and would wait for
// the scales of every other one. Where many rows pass the weights, a part of the next chunk's, into
// the L2 cache, as the rows of x that the next block takes: there, one request with each of the
// block's loads would cost 6 % of its products.
constexpr int64_t kAheadBytes = 4608, kScalesAhead = 4 * kPanel;
constexpr int64_t kLineWords = kCacheLine / 4;

// A call of what only prefetches would have no effect that g++ 12 knows of, and vanish.
template <int kPanels>
[[gnu::always_inline]] inline void fetch_ahead(const void* weights) {
  _mm_prefetch(static_cast<const char*>(weights) + kAheadBytes / kPanels, _MM_HINT_T0);
}
[[gnu::always_inline]] inline void fetch(const void* from, int64_t line) {
  _mm_prefetch(static_cast<const char*>(from) + line * kCacheLine, _MM_HINT_T1);
}
// What goes with the line-th line of each of the block's rows.
template <int kRows, int kPanels>
[[gnu::always_inline]] inline void fetch_next(const ChunkBlock& b, int64_t line) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) fetch(b.next_x, line * kRows + r);
  const int64_t first = b.next_line + line * b.next_lines;
  for (int64_t l = first; l < first + b.next_lines; ++l)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) fetch(b.next_w[p], l);
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

template <int kRows, int kPanels>
using Sums = __m512[kRows][kPanels];

template <int kRows, int kPanels>
void load(const float* from, Sums<kRows, kPanels>& sums) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p)
      sums[r][p] = _mm512_load_ps(from + r * kSumStride + p * kPanel);
}
template <int kRows, int kPanels>
void store(float* to, const Sums<kRows, kPanels>& sums) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) _mm512_store_ps(to + r * kSumStride + p * kPanel, sums[r][p]);
}

/// f32 and bf16. Numbers::add(sum, x, w) adds the products of one word's numbers.
template <typename Numbers>
struct Floats {
  // Up to 24 sums; what is left of 32 registers holds weights.
  static constexpr int wide(int rows) { return rows <= 6 ? 4 : 2; }

  template <int kRows, int kPanels>
  static void block(const ChunkBlock& b) {
    constexpr int64_t kPer = Numbers::kPerWord;
    Sums<kRows, kPanels> sums;
    load<kRows, kPanels>(b.sums, sums);
    const auto* x = static_cast<const uint32_t*>(b.x);
    const int64_t words = b.inputs / kPer, stride = b.x_stride / kPer;
    for (int64_t line = 0; line * kLineWords < words; ++line) {
      fetch_next<kRows, kPanels>(b, line);
      const int64_t end = least(words, (line + 1) * kLineWords);
      for (int64_t i = line * kLineWords; i < end; ++i) {
        __m512i w[kPanels];
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) {
          const uint32_t* at = static_cast<const uint32_t*>(b.w[p]) + i * kPanel;
          w[p] = _mm512_load_si512(at);
          if (b.weights_ahead) fetch_ahead<kPanels>(at);
        }
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m512i from = word(x + r * stride + i);
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p) sums[r][p] = Numbers::add(sums[r][p], from, w[p]);
        }
      }
    }
    store<kRows, kPanels>(b.sums, sums);
  }
};

struct WholeF32 {
  static constexpr int64_t kPerWord = 1;
  static __m512 add(__m512 sum, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), sum);
  }
};
/// Pairs of bf16 with the instructions of f32, to the same bits as the pairs' own.
struct PairsByHalves {
  static constexpr int64_t kPerWord = 2;
  static __m512 add(__m512 sum, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(even_of(x), even_of(w), _mm512_fmadd_ps(odd_of(x), odd_of(w), sum));
  }
};

/// Codes of eight inputs as bytes: w[0] of the first four of 16 rows, w[1] of the others.
template <int kBits, int kPanels>
struct Codes {
  static void load(const unsigned char* group, int64_t inputs, int64_t i, bool ahead,
                   __m512i (&w)[2]) {
    if constexpr (kBits == 8) {
      w[0] = _mm512_load_si512(group + i * kPanel);
      w[1] = _mm512_load_si512(group + i * kPanel + 64);
      if (ahead) fetch_ahead<kPanels>(group + i * kPanel);
      if (ahead) fetch_ahead<kPanels>(group + i * kPanel + 64);
    } else {
      const unsigned char* at = group + i * kPanel / 2;
      const __m512i low = _mm512_set1_epi8(15), both = _mm512_load_si512(at);
      if (ahead) fetch_ahead<kPanels>(at);
      w[0] = _mm512_and_si512(both, low);
      w[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
      const unsigned char* plane = group + inputs * kPanel / 2 + i * 2;
#pragma GCC unroll 2
      for (int bit = 4; bit < kBits; ++bit, plane += inputs * 2)
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          __mmask64 mask;
          memcpy(&mask, plane + half * 8, sizeof(mask));
          const auto value = static_cast<char>(1 << bit);
          w[half] = _mm512_mask_add_epi8(w[half], mask, w[half], _mm512_set1_epi8(value));
        }
    }
  }
};

/// Integers. Dot::add(sum, w, x) adds the products of four unsigned and four signed bytes, exactly.
template <typename Dot, int kBits>
struct Integers {
  // Two sums each: a group's whole one, and that of the groups before it.
  static constexpr int wide(int rows) { return rows <= 3 ? 4 : rows <= 6 ? 2 : 1; }

  template <int kRows, int kPanels>
  static void block(const ChunkBlock& b) {
    Sums<kRows, kPanels> sums;
    load<kRows, kPanels>(b.sums, sums);
    const auto* x = static_cast<const int8_t*>(b.x);
    const float* x_scales = b.x_scales;
    const int32_t* x_sums = b.x_sums;
    for (int64_t first = 0, g = 0; first < b.inputs; first += b.group, ++g) {
      const int64_t inputs = least(b.inputs - first, b.group);
      __m512i whole[kRows][kPanels];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) whole[r][p] = _mm512_set1_epi32(-b.zero * x_sums[r]);
      for (int64_t line = first; line < first + inputs; line += kCacheLine) {
        fetch_next<kRows, kPanels>(b, line / kCacheLine);
        const int64_t end = least(first + inputs, line + kCacheLine);
        for (int64_t i = line; i < end; i += 8) {
          __m512i w[kPanels][2];
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p)
            Codes<kBits, kPanels>::load(
                static_cast<const unsigned char*>(b.w[p]) + first * kPanel * kBits / 8, inputs,
                i - first, b.weights_ahead, w[p]);
#pragma GCC unroll 2
          for (int half = 0; half < 2; ++half)
#pragma GCC unroll 8
            for (int r = 0; r < kRows; ++r) {
              const __m512i from = word(x + r * b.x_stride + i + 4 * half);
#pragma GCC unroll 8
              for (int p = 0; p < kPanels; ++p) Dot::add(whole[r][p], w[p][half], from);
            }
        }
      }
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) {
        const uint16_t* at = b.w_scales[p] + g * kPanel;
        if (b.weights_ahead) _mm_prefetch(at + kScalesAhead, _MM_HINT_T0);
        const __m256i w_scale_bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
        const __m512 w_scale = even_of(_mm512_cvtepu16_epi32(w_scale_bits));
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m512 scale = _mm512_mul_ps(all_of(x_scales + r), w_scale);
          sums[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[r][p]), scale, sums[r][p]);
        }
      }
      x_scales += b.rows;
      x_sums += b.rows;
    }
    store<kRows, kPanels>(b.sums, sums);
  }
};

// Most rows of a block.
constexpr int64_t kFloatRows = 8, kCodeRows = 6;

template <typename Kind, size_t... kRows>
constexpr BlockTable make_table(std::index_sequence<kRows...>) {
  // Six rows of floats go with four panels: 24 sums for ten loads, where eight have 16 for as many.
  return {.rows = sizeof...(kRows),
          .step = 6,
          .panels = {Kind::wide(kRows + 1)...},
          .wide = {Kind::template block<kRows + 1, Kind::wide(kRows + 1)>...},
          .narrow = {Kind::template block<kRows + 1, 1>...}};
}
template <typename Kind, size_t kRows>
constexpr BlockTable kTable = make_table<Kind>(std::make_index_sequence<kRows>());

template <typename Numbers, typename Denormals = KeepDenormals>
void compute_floats_avx512(const MatmulOperands& op, const MatmulTile& tile) {
  compute_floats<Denormals>(op, tile, kTable<Floats<Numbers>, kFloatRows>);
}

inline void spread(const unsigned char* from, int bits, int64_t inputs, unsigned char* to) {
  for (int64_t i = 0; i < inputs; i += 8) {
    __m512i codes[2];
    bits == 6   ? Codes<6, 4>::load(from, inputs, i, true, codes)
    : bits == 5 ? Codes<5, 4>::load(from, inputs, i, true, codes)
                : Codes<4, 4>::load(from, inputs, i, true, codes);
    _mm512_store_si512(to + i * kPanel, codes[0]);
    _mm512_store_si512(to + i * kPanel + 64, codes[1]);
  }
}

// Few rows take the codes apart in registers; many share what was taken apart once: 16 rows of 6
// bits, whose codes take the most steps, are 20 % faster that way, and of 4 bits as much slower.
constexpr int64_t few_rows(int bits) {
  return bits == 6 ? 12 : 32;
}

template <typename Dot>
void compute_codes_avx512(const MatmulOperands& op, const MatmulTile& tile) {
  if (op.bits == 8 || tile.rows > few_rows(op.bits))
    return compute_codes(op, tile, kTable<Integers<Dot, 8>, kCodeRows>,
                         op.bits == 8 ? nullptr : spread);
  const BlockTable& few = op.bits == 6   ? kTable<Integers<Dot, 6>, kCodeRows>
                          : op.bits == 5 ? kTable<Integers<Dot, 5>, kCodeRows>
                                         : kTable<Integers<Dot, 4>, kCodeRows>;
  compute_codes(op, tile, few, nullptr);
}

}  // namespace
}  // namespace tessera
