#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/log.h"

namespace tessera {

/// The machine's processors and memory, what of them this process may use, and how fast they are.
struct HostReport {
  std::string cpu;  ///< its name; empty where the system does not say
  int packages = 0, cores = 0, threads = 0;
  int allowed_threads = 0;  ///< by affinity and cpuset
  double cpu_quota = 0;     ///< processors' worth of time that the cgroup grants; 0: no limit
  struct Cache {
    int level = 0;
    uint64_t bytes = 0;  ///< of one
    int count = 0;
  };
  std::vector<Cache> caches;
  int numa_nodes = 0;
  uint64_t memory_bytes = 0, available_bytes = 0;    ///< under the cgroup's limit
  double read_bytes_per_s = 0;                       ///< measured, all allowed threads together
  double f32_flops_per_s = 0, bf16_flops_per_s = 0;  ///< measured, of matmuls with such weights
};

/// A GPU, and how it fares now. What its driver does not tell is absent.
struct GpuReport {
  int index = 0;  ///< its driver's, by PCI bus
  /// As --devices numbers it: CUDA's order may be another, and CUDA_VISIBLE_DEVICES changes it.
  /// Absent: this build, or this process, does not reach it.
  std::optional<int> cuda_index = {};
  std::string uuid = {};
  std::string name;
  uint64_t memory_bytes = 0, free_bytes = 0;
  std::string driver;
  std::optional<int> temperature_c = {};
  std::optional<double> power_w = {}, power_limit_w = {};
  std::optional<int> clock_mhz = {}, most_clock_mhz = {};  ///< of the multiprocessors
  /// Why the clocks are lower than they could be: "power limit", "heat", ... Absent: not told.
  std::optional<std::vector<std::string>> slowed_by = {};
  /// Of the last second or less: some kernel ran, of whatever program; one of another ran.
  std::optional<int> busy_percent = {}, foreign_busy_percent = {};
  uint64_t foreign_bytes = 0;  ///< not this process's, the driver's own share included
  std::optional<int> foreign_processes = {};
  struct Pcie {
    int generation = 0, lanes = 0;
  };
  std::optional<Pcie> pcie = {}, most_pcie = {};  ///< now, and at most
  int nvlinks = 0;                                ///< that are up
  /// To each GPU: "NVLink", "PCIe switch", "host bridge", "NUMA node" (over the bridges of one) or
  /// "between NUMA nodes"; empty to itself, and where it is not told.
  std::vector<std::string> paths = {};

  // Measured, now or by an earlier run; absent where nobody has.
  std::optional<double> read_bytes_per_s = {}, bf16_flops_per_s = {};  ///< of bf16 weights
  struct Link {
    double bytes_per_s = 0, latency_s = 0;
  };
  std::optional<Link> from_host = {}, to_host = {};
  std::vector<std::optional<Link>> links = {};  ///< to each GPU; absent to itself
};

struct DevicesReport {
  HostReport host;
  std::vector<GpuReport> gpus;
};

/// What is there, the processors measured now: takes up to three seconds with all allowed threads
/// busy. With `measure_gpus`, GPUs and their links are measured, too, where no earlier run has:
/// seconds, and some memory on each. GPUs that CUDA numbers come first, in its order. A GPU driver
/// that does not answer is a warning to `log`. Throws Error when the machine cannot be read.
DevicesReport inspect_devices(const LogSink& log = {}, bool measure_gpus = false);

}  // namespace tessera
