#include "ops/peak.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstdint>

namespace tessera {

#if defined(__x86_64__)
namespace {

constexpr int kChains = 16;  // more than latency times units, which is 12 of bf16 on Zen 5
constexpr int64_t kSteps = 1 << 20;
constexpr int64_t kTileShare = 8;  // of whose instructions fewer take as long

// Each runs kSteps steps of kChains independent chains and returns the multiplications of one
// instruction. The empty assembly tells the compiler that the chains differ, and are used.

__attribute__((target("avx2,fma"))) double run_f32_avx2() {
  constexpr int kFew = 12;  // of 16 registers
  __m256 sums[kFew], factor = _mm256_set1_ps(0.999F);
  for (__m256& sum : sums) {
    sum = factor;
    asm volatile("" : "+x"(sum));
  }
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  for (__m256& sum : sums) asm volatile("" : "+x"(sum));
  return 8.0 * kFew / kChains;
}

__attribute__((target("avx512f"))) double run_f32_avx512() {
  __m512 sums[kChains], factor = _mm512_set1_ps(0.999F);
  for (__m512& sum : sums) {
    sum = factor;
    asm volatile("" : "+v"(sum));
  }
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  return 16;
}

__attribute__((target("avx512f,avx512bf16"))) double run_bf16() {
  __m512 sums[kChains] = {}, factor = _mm512_setzero_ps();
  const auto pairs = reinterpret_cast<__m512bh>(factor);
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, pairs, pairs);
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  return 32;
}

__attribute__((target("avx512f,avx512vnni"))) double run_bytes() {
  __m512i sums[kChains] = {}, factor = _mm512_set1_epi8(1);
  for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 16
    for (__m512i& sum : sums) asm("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(factor));  // dot_vnni.h
  for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
  return 64;
}

template <bool kBytes>
__attribute__((target("amx-tile,amx-int8,amx-bf16"))) double run_tiles() {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } shapes;
  asm volatile("" : : "r"(&shapes) : "memory");
  _tile_loadconfig(&shapes);
  for (int64_t i = 0; i < kSteps / kTileShare; ++i) {
    if constexpr (kBytes) {
      _tile_dpbsud(0, 6, 7);
      _tile_dpbsud(1, 6, 7);
      _tile_dpbsud(2, 6, 7);
      _tile_dpbsud(3, 6, 7);
      _tile_dpbsud(4, 6, 7);
      _tile_dpbsud(5, 6, 7);
    } else {
      _tile_dpbf16ps(0, 6, 7);
      _tile_dpbf16ps(1, 6, 7);
      _tile_dpbf16ps(2, 6, 7);
      _tile_dpbf16ps(3, 6, 7);
      _tile_dpbf16ps(4, 6, 7);
      _tile_dpbf16ps(5, 6, 7);
    }
  }
  _tile_release();
  return 16.0 * 16 * (kBytes ? 64 : 32) * 6 / kChains / kTileShare;
}

double multiplications(Isa isa, Precision precision) {
  if (isa >= Isa::kAmx && precision != Precision::kF32)
    return precision == Precision::kBF16 ? run_tiles<false>() : run_tiles<true>();
  if (isa >= Isa::kAvx512Vnni && precision > Precision::kBF16) return run_bytes();
  if (isa >= Isa::kAvx512Bf16 && precision == Precision::kBF16) return run_bf16();
  return isa >= Isa::kAvx512 ? run_f32_avx512() : run_f32_avx2();
}

}  // namespace
#endif

double run_multipliers([[maybe_unused]] Isa isa, [[maybe_unused]] Precision precision) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx2) return 2 * multiplications(isa, precision) * kChains * kSteps;
#endif
  return 0;
}

}  // namespace tessera
