// The CPU kernels on one core, as shares of what that core can do: rates by the thread's own CPU
// time. `ops_bench --benchmark_filter=matmul` runs a part.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "bench/ops/limits.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto& limits = tessera::core_limits();
  std::printf("one core: %.1f GFLOP/s in f32, reads %.1f GB/s, kernels up to %s\n",
              limits.f32_flops_per_s / 1e9, limits.read_bytes_per_s / 1e9,
              std::string(tessera::isa_name(tessera::best_isa())).c_str());
  benchmark::RunSpecifiedBenchmarks();
}
