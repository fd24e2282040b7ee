#pragma once

#include <immintrin.h>

#include <cstdint>

// Only for files compiled for AVX2 and FMA: internal linkage, so that nothing leaks into others.

namespace tessera {
namespace {

/// Sixteen f32, in two registers.
struct LanesAvx2 {
  __m256 low, high;

  static LanesAvx2 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static LanesAvx2 all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static LanesAvx2 load(const float* from) {
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  void store(float* to) const {
    _mm256_storeu_ps(to, low);
    _mm256_storeu_ps(to + 8, high);
  }
  bool any_above(float x) const {
    const __m256 xs = _mm256_set1_ps(x);
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(low, xs, _CMP_GT_OQ),
                                           _mm256_cmp_ps(high, xs, _CMP_GT_OQ))) != 0;
  }
  float largest() const {
    const __m256 eight = _mm256_max_ps(low, high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
};

inline LanesAvx2 add(LanesAvx2 a, LanesAvx2 b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline LanesAvx2 mul(LanesAvx2 a, LanesAvx2 b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline LanesAvx2 max(LanesAvx2 a, LanesAvx2 b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

/// Sixteen words, in two registers, and how many sums the attention kernel holds in registers.
struct WordsAvx2 {
  struct Words {
    __m256i low, high;
  };
  using Lanes = LanesAvx2;
  static constexpr bool kRoundsPairs = false;
  static constexpr int kScoreQueries = 5, kScoreBlocks = 1;  ///< queries times 16 tokens
  static constexpr int kValueQueries = 2, kValueLanes = 2;   ///< at most, and
  static constexpr int kValueChains = 4;                     ///< so many together

  static Words load(const uint32_t* from) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 8))};
  }
  static Words all(uint32_t word) {
    const __m256i words = _mm256_set1_epi32(static_cast<int>(word));
    return {words, words};
  }
  static Words first_half(Words pairs) {
    const __m256i mask = _mm256_set1_epi32(0xffff);
    return {_mm256_and_si256(pairs.low, mask), _mm256_and_si256(pairs.high, mask)};
  }
};

/// Words of one f32.
struct FloatsAvx2 : WordsAvx2 {
  static constexpr int64_t kPerWord = 1;
  static LanesAvx2 add(LanesAvx2 sum, Words x, Words w) {
    return {fma(sum.low, x.low, w.low), fma(sum.high, x.high, w.high)};
  }

 private:
  static __m256 fma(__m256 sum, __m256i x, __m256i w) {
    return _mm256_fmadd_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(w), sum);
  }
};

/// Words of two bf16, with the instructions of f32.
struct PairsAvx2 : WordsAvx2 {
  static constexpr int64_t kPerWord = 2;
  static LanesAvx2 add(LanesAvx2 sum, Words x, Words w) {
    return {fma(sum.low, x.low, w.low), fma(sum.high, x.high, w.high)};
  }

 private:
  static __m256 first(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
  static __m256 second(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
  }
  static __m256 fma(__m256 sum, __m256i x, __m256i w) {
    return _mm256_fmadd_ps(first(x), first(w), _mm256_fmadd_ps(second(x), second(w), sum));
  }
};

/// Sixteen pairs of codes.
struct CodesAvx2 {
  struct Words {
    __m256i low, high;
  };
  using Lanes = LanesAvx2;
  using Sums = Words;
  static constexpr int kScoreQueries = 5, kScoreBlocks = 1;
  static constexpr int kValueQueries = 2, kValueLanes = 2;

  static Sums zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static LanesAvx2 as_lanes(Sums sums) {
    return {_mm256_cvtepi32_ps(sums.low), _mm256_cvtepi32_ps(sums.high)};
  }
  static Words load(const int8_t* codes) {
    const auto* from = reinterpret_cast<const __m128i*>(codes);
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(from)),
            _mm256_cvtepi8_epi16(_mm_loadu_si128(from + 1))};
  }
  static Words all(uint32_t pair) {
    const __m256i pairs = _mm256_set1_epi32(static_cast<int>(pair));
    return {pairs, pairs};
  }
  static Sums add(Sums sum, Words x, Words w) {
    return {_mm256_add_epi32(sum.low, _mm256_madd_epi16(x.low, w.low)),
            _mm256_add_epi32(sum.high, _mm256_madd_epi16(x.high, w.high))};
  }
};

}  // namespace
}  // namespace tessera
