#include "device/host.h"
#include "device/read_bandwidth.h"
#include "ops/rates.h"
#include "runtime/calibration.h"
#include "runtime/inspect_gpus.h"
#include "tessera/devices.h"

namespace tessera {
DevicesReport inspect_devices(const LogSink& log, bool measure_gpus) {
  const HostInfo info = read_host_info();
  DevicesReport report;
  HostReport& host = report.host;
  host.cpu = info.processor;
  host.packages = info.packages;
  host.cores = info.cores;
  host.threads = info.threads;
  host.allowed_threads = static_cast<int>(info.cpus.size());
  host.cpu_quota = info.cpu_quota;
  if (info.l1_bytes > 0) host.caches.push_back({1, info.l1_bytes, info.cores});
  if (info.l2_bytes > 0) host.caches.push_back({2, info.l2_bytes, info.cores});
  if (info.l3_bytes > 0) host.caches.push_back({3, info.l3_bytes, info.l3_count});
  host.numa_nodes = static_cast<int>(info.numa_nodes.size());
  host.memory_bytes = info.memory_bytes;
  host.available_bytes = info.available_bytes;

  WorkerPool pool(info.usable_cores());
  host.read_bytes_per_s = measure_read_bandwidth(pool, uncached_bytes(info));
  const KernelRates rates = recalibrated_rates(info.usable_cores(), best_isa(), 1);
  host.f32_flops_per_s = rates.flops(Precision::kF32);
  host.bf16_flops_per_s = rates.flops(Precision::kBF16);

  report.gpus = inspect_gpus(log, measure_gpus);
  return report;
}

}  // namespace tessera
