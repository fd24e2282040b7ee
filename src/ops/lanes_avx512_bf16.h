#pragma once

#include "ops/lanes_avx512.h"

// Only for files compiled for AVX-512 with BF16: internal linkage.

namespace tessera {
namespace {

/// Words of two bf16; matmul_avx512_bf16.cc says what the instruction does.
struct PairsBf16 : WordsAvx512 {
  static constexpr int64_t kPerWord = 2;
  static constexpr bool kRoundsPairs = true;
  static void round(const float* from, uint32_t* to) {
    const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
    _mm512_storeu_si512(to, reinterpret_cast<__m512i>(pairs));
  }
  static void round_half(const float* from, uint32_t* to) {
    const __m256bh pairs = _mm512_cvtneps_pbh(_mm512_loadu_ps(from));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(pairs));
  }
  static LanesAvx512 add(LanesAvx512 sum, __m512i x, __m512i w) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w))};
  }
};

}  // namespace
}  // namespace tessera
