#pragma once

#include <immintrin.h>

#include <cstdint>

// Only for files compiled for AVX2 and FMA: internal linkage, so that nothing leaks into others.

namespace tessera {
namespace {

/// Sixteen f32, in two registers.
struct LanesAvx2 {
  static constexpr int kScoreQueries = 5;  ///< queries times 16 tokens held in registers
  static constexpr int kValueQueries = 2, kValueLanes = 2;  ///< queries times 32 dimensions

  __m256 low, high;

  static LanesAvx2 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static LanesAvx2 all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static LanesAvx2 load(const float* from) {
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  static LanesAvx2 load_bf16(const uint16_t* from) { return {half(from), half(from + 8)}; }
  void store(float* to) const {
    _mm256_storeu_ps(to, low);
    _mm256_storeu_ps(to + 8, high);
  }

 private:
  static __m256 half(const uint16_t* from) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
};

inline LanesAvx2 fma(LanesAvx2 a, LanesAvx2 b, LanesAvx2 c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline LanesAvx2 add(LanesAvx2 a, LanesAvx2 b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline LanesAvx2 mul(LanesAvx2 a, LanesAvx2 b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline LanesAvx2 max(LanesAvx2 a, LanesAvx2 b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

}  // namespace
}  // namespace tessera
