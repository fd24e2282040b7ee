#include "device/gpu.h"
#include "device/gpu_monitor.h"
#include "device/host.h"
#include "device/read_bandwidth.h"
#include "ops/rates.h"
#include "runtime/calibration.h"
#include "tessera/devices.h"
#include "tessera/error.h"

namespace tessera {
namespace {

GpuReport report_of(const GpuInfo& info, const GpuTelemetry& now) {
  const auto pcie = [](const std::optional<GpuTelemetry::Pcie>& link) {
    return link ? std::optional(GpuReport::Pcie{link->generation, link->lanes}) : std::nullopt;
  };
  GpuReport report{.index = info.index,
                   .name = info.name,
                   .memory_bytes = info.memory_bytes,
                   .free_bytes = info.free_bytes,
                   .driver = info.driver_version,
                   .temperature_c = now.temperature_c,
                   .power_w = now.power_w,
                   .power_limit_w = now.power_limit_w,
                   .clock_mhz = now.clock_mhz,
                   .most_clock_mhz = now.most_clock_mhz,
                   .slowed_by = now.slowed_by,
                   .busy_percent = now.busy_percent,
                   .foreign_bytes = now.foreign_bytes,
                   .foreign_processes = now.foreign_processes,
                   .pcie = pcie(now.pcie),
                   .most_pcie = pcie(now.most_pcie),
                   .nvlinks = now.nvlinks};
  for (const std::optional<GpuPath>& path : now.paths)
    report.paths.emplace_back(path ? gpu_path_name(*path) : "");
  return report;
}

std::vector<GpuReport> inspect_gpus(const LogSink& log) {
  const std::vector<GpuInfo> gpus = find_gpus_or_warn(log);
  std::vector<GpuTelemetry> now(gpus.size());
  try {
    if (!gpus.empty()) now = GpuMonitor().read();
  } catch (const Error& e) {  // what they are is known all the same
    if (log) log(LogLevel::kWarning, e.what());
  }
  now.resize(gpus.size());
  std::vector<GpuReport> reports;
  for (size_t i = 0; i < gpus.size(); ++i) reports.push_back(report_of(gpus[i], now[i]));
  return reports;
}

}  // namespace

DevicesReport inspect_devices(const LogSink& log) {
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

  report.gpus = inspect_gpus(log);
  return report;
}

}  // namespace tessera
