#pragma once

#include <immintrin.h>

#include <cstdint>

// Only for files compiled for AVX-512: internal linkage, so that nothing leaks into others.

namespace tessera {
namespace {

/// Sixteen f32.
struct LanesAvx512 {
  __m512 v;

  static LanesAvx512 zero() { return {_mm512_setzero_ps()}; }
  static LanesAvx512 all(float x) { return {_mm512_set1_ps(x)}; }
  static LanesAvx512 load(const float* from) { return {_mm512_loadu_ps(from)}; }
  void store(float* to) const { _mm512_storeu_ps(to, v); }
  bool any_above(float x) const {
    return _mm512_cmp_ps_mask(v, _mm512_set1_ps(x), _CMP_GT_OQ) != 0;
  }
  float largest() const { return _mm512_reduce_max_ps(v); }
};

inline LanesAvx512 add(LanesAvx512 a, LanesAvx512 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline LanesAvx512 mul(LanesAvx512 a, LanesAvx512 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline LanesAvx512 max(LanesAvx512 a, LanesAvx512 b) {
  return {_mm512_max_ps(a.v, b.v)};
}

/// Sixteen words, and how many sums the attention kernel holds in registers.
struct WordsAvx512 {
  using Lanes = LanesAvx512;
  using Words = __m512i;
  static constexpr bool kRoundsPairs = false;
  static constexpr int kScoreQueries = 8, kScoreBlocks = 2;  ///< queries times 32 tokens
  static constexpr int kValueQueries = 6, kValueLanes = 6;   ///< at most, and
  static constexpr int kValueChains = 24;                    ///< so many together

  static __m512i load(const uint32_t* from) { return _mm512_loadu_si512(from); }
  static __m512i all(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static __m512i first_half(__m512i pairs) {
    return _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff));
  }
};

/// Words of one f32.
struct FloatsAvx512 : WordsAvx512 {
  static constexpr int64_t kPerWord = 1;
  static LanesAvx512 add(LanesAvx512 sum, __m512i x, __m512i w) {
    return {_mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), sum.v)};
  }
};

/// Words of two bf16, with the instructions of f32.
struct PairsAvx512 : WordsAvx512 {
  static constexpr int64_t kPerWord = 2;
  static LanesAvx512 add(LanesAvx512 sum, __m512i x, __m512i w) {
    return {_mm512_fmadd_ps(first(x), first(w), _mm512_fmadd_ps(second(x), second(w), sum.v))};
  }

 private:
  static __m512 first(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
  static __m512 second(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
  }
};

/// Sixteen pairs of codes.
struct CodesAvx512 {
  using Lanes = LanesAvx512;
  using Sums = __m512i;
  using Words = __m512i;
  static constexpr int kScoreQueries = 8, kScoreBlocks = 2;
  static constexpr int kValueQueries = 8, kValueLanes = 3;

  static __m512i zero() { return _mm512_setzero_si512(); }
  static LanesAvx512 as_lanes(__m512i sums) { return {_mm512_cvtepi32_ps(sums)}; }
  static __m512i load(const int8_t* codes) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  }
  static __m512i all(uint32_t pair) { return _mm512_set1_epi32(static_cast<int>(pair)); }
  static __m512i add(__m512i sum, __m512i x, __m512i w) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, w));
  }
};

}  // namespace
}  // namespace tessera
