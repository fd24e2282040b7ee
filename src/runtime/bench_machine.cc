#include "base/clock.h"
#include "device/host.h"
#include "device/read_bandwidth.h"
#include "ops/peak.h"
#include "runtime/device_set.h"
#include "tessera/bench.h"

namespace tessera {
namespace {

constexpr int kPeakRounds = 8;

// Operations a second of all threads together, in the best of some rounds.
double measure_peak(WorkerPool& pool, Precision precision) {
  std::vector<double> done(static_cast<size_t>(pool.threads()));
  double best = 0;
  for (int round = 0; round < kPeakRounds; ++round) {
    const double start = now_s();
    pool.for_each(pool.threads(), [&](int64_t thread) {
      done[static_cast<size_t>(thread)] = run_multipliers(best_isa(), precision);
    });
    double sum = 0;
    for (const double ops : done) sum += ops;
    best = std::max(best, sum / (now_s() - start));
  }
  return best;
}

}  // namespace

MachineBench bench_machine() {
  const HostInfo info = read_host_info();
  MachineBench bench{.cpu = info.processor,
                     .instructions = std::string(isa_name(best_isa())),
                     .threads = info.usable_cores()};
  WorkerPool pool(bench.threads);
  bench.read_bytes_per_s = measure_read_bandwidth(pool, uncached_bytes(info));
  const KernelRates rates = measure_rates(bench.threads, best_isa());
  for (const Precision precision : kPrecisions) {
    if (precision == Precision::kFp8) continue;
    bench.kernels.push_back({.precision = precision,
                             .peak_flops_per_s = measure_peak(pool, precision),
                             .prefill_flops_per_s = rates.flops(precision),
                             .decode_bytes_per_s = rates.read(precision)});
  }
  return bench;
}

}  // namespace tessera
