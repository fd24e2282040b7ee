#include "bench/ops/limits.h"

#include <algorithm>
#include <ctime>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ops/peak.h"

namespace tessera {
namespace {

double cpu_s() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

#if defined(__x86_64__)
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
    const auto rate = [](Precision precision, double& best) {
      const double start = cpu_s();
      const double done = run_multipliers(best_isa(), precision);
      best = std::max(best, done / (cpu_s() - start));
    };
    rate(Precision::kF32, limits.f32_flops_per_s);
    rate(Precision::kBF16, limits.bf16_flops_per_s);
    rate(Precision::kInt8, limits.int8_flops_per_s);
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
