#pragma once

#include <cstdint>
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

struct GpuReport {
  int index = 0;
  std::string name;
  uint64_t memory_bytes = 0, free_bytes = 0;
  std::string driver;
};

struct DevicesReport {
  HostReport host;
  std::vector<GpuReport> gpus;
};

/// What is there, measured now: takes about half a second with all allowed threads busy. A GPU
/// driver that does not answer is a warning to `log`. Throws Error when the machine cannot be read.
DevicesReport inspect_devices(const LogSink& log = {});

}  // namespace tessera
