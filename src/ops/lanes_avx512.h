#pragma once

#include <immintrin.h>

#include <cstdint>

// Only for files compiled for AVX-512: internal linkage, so that nothing leaks into others.

namespace tessera {
namespace {

/// Sixteen f32.
struct LanesAvx512 {
  static constexpr int kScoreQueries = 8;  ///< queries times 16 tokens held in registers
  static constexpr int kValueQueries = 4, kValueLanes = 4;  ///< queries times 64 dimensions

  __m512 v;

  static LanesAvx512 zero() { return {_mm512_setzero_ps()}; }
  static LanesAvx512 all(float x) { return {_mm512_set1_ps(x)}; }
  static LanesAvx512 load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static LanesAvx512 load_bf16(const uint16_t* from) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  void store(float* to) const { _mm512_storeu_ps(to, v); }
};

inline LanesAvx512 fma(LanesAvx512 a, LanesAvx512 b, LanesAvx512 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline LanesAvx512 add(LanesAvx512 a, LanesAvx512 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline LanesAvx512 mul(LanesAvx512 a, LanesAvx512 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline LanesAvx512 max(LanesAvx512 a, LanesAvx512 b) {
  return {_mm512_max_ps(a.v, b.v)};
}

}  // namespace
}  // namespace tessera
