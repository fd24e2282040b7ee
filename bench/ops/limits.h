#pragma once

#include <benchmark/benchmark.h>

#include "base/isa.h"
#include "tessera/precision.h"

namespace tessera {

/// What one core of this machine can do at most, on the thread's own CPU clock, so that other
/// programs on the machine do not count. Measured once, at first use.
struct CoreLimits {
  double f32_flops_per_s = 0;   ///< fused multiply-adds in registers, with the widest instructions
  double bf16_flops_per_s = 0;  ///< the same of bf16 pairs, or of f32 where there are none
  double int8_flops_per_s = 0;  ///< the same of bytes in fours
  double read_bytes_per_s = 0;  ///< a plain sum over memory much larger than the caches
};
const CoreLimits& core_limits();

/// Adds the rates of a benchmark with what one iteration computes and reads, in GFLOP/s and GB/s,
/// and each as a share of one core's limit; `precision`: of the multiplications. Only for runs on
/// the calling thread.
void add_rates(benchmark::State& state, double flops, double bytes, Precision precision);

}  // namespace tessera
