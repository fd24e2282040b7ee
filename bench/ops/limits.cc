#include "bench/ops/limits.h"

#include <ctime>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

namespace tessera {
namespace {

double cpu_s() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

constexpr int kChains = 12;  // more than latency times units
constexpr int64_t kSteps = 1 << 20;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) double flops_avx512() {
  __m512 sums[kChains], factor = _mm512_set1_ps(0.999F);
  for (__m512& sum : sums) {
    sum = factor;
    asm volatile("" : "+v"(sum));  // chains that are the same only at first
  }
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));  // somebody looks at the result
  return 16;
}

__attribute__((target("avx512f,avx512bf16"))) double flops_bf16() {
  __m512 sums[kChains] = {}, factor = _mm512_set1_ps(0.0F);
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));  // chains that are the same only at first
  const auto pairs = reinterpret_cast<__m512bh>(factor);
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, pairs, pairs);
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  return 32;
}

__attribute__((target("avx512f,avx512vnni"))) double flops_int8() {
  __m512i sums[kChains] = {}, factor = _mm512_set1_epi8(1);
  for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, factor, factor);
  for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
  return 64;
}

__attribute__((target("avx2,fma"))) double flops_avx2() {
  __m256 sums[kChains], factor = _mm256_set1_ps(0.999F);
  for (__m256& sum : sums) {
    sum = factor;
    asm volatile("" : "+x"(sum));
  }
  for (int64_t i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  for (__m256& sum : sums) asm volatile("" : "+x"(sum));  // somebody looks at the result
  return 8;
}

__attribute__((target("avx2"))) void read_all(const std::vector<float>& memory) {
  __m256i sums[8] = {};
  for (size_t i = 0; i + 64 <= memory.size(); i += 64)
    for (size_t s = 0; s < 8; ++s)
      sums[s] = _mm256_add_epi32(
          sums[s], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&memory[i + 8 * s])));
  for (__m256i& sum : sums) asm volatile("" : "+x"(sum));
}
#endif

CoreLimits measure() {
  CoreLimits limits = {};
#if defined(__x86_64__)
  if (best_isa() == Isa::kPlain) return limits;
  const std::vector<float> memory(64 << 20, 1.0F);
  for (int round = 0; round < 5; ++round) {
    const auto rate = [](double (*flops)(), double& best) {
      const double start = cpu_s();
      const double lanes = flops();
      best = std::max(best, 2 * lanes * kChains * kSteps / (cpu_s() - start));
    };
    rate(best_isa() >= Isa::kAvx512 ? flops_avx512 : flops_avx2, limits.f32_flops_per_s);
    // Without instructions of their own, bf16 and bytes are multiplied by those of f32.
    rate(best_isa() >= Isa::kAvx512Bf16 ? flops_bf16
         : best_isa() >= Isa::kAvx512   ? flops_avx512
                                        : flops_avx2,
         limits.bf16_flops_per_s);
    rate(best_isa() >= Isa::kAvx512Vnni ? flops_int8
         : best_isa() >= Isa::kAvx512   ? flops_avx512
                                        : flops_avx2,
         limits.int8_flops_per_s);
    const double start = cpu_s();
    read_all(memory);
    limits.read_bytes_per_s = std::max(limits.read_bytes_per_s,
                                       static_cast<double>(memory.size() * 4) / (cpu_s() - start));
  }
#endif
  return limits;
}

}  // namespace

const CoreLimits& core_limits() {
  static const CoreLimits limits = measure();
  return limits;
}

void add_rates(benchmark::State& state, double flops, double bytes, Precision precision) {
  const auto rate = [&](double each) {
    return benchmark::Counter(each, benchmark::Counter::kIsIterationInvariantRate);
  };
  const CoreLimits& limits = core_limits();
  if (flops > 0) {
    state.counters["GFLOP/s"] = rate(flops / 1e9);
    const double peak = precision == Precision::kF32    ? limits.f32_flops_per_s
                        : precision == Precision::kBF16 ? limits.bf16_flops_per_s
                                                        : limits.int8_flops_per_s;
    state.counters["of_peak"] = rate(flops / peak);
  }
  if (bytes > 0) {
    state.counters["GB/s"] = rate(bytes / 1e9);
    state.counters["of_read"] = rate(bytes / limits.read_bytes_per_s);
  }
}

}  // namespace tessera
