#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/log.h"

namespace tessera {

/// An NVIDIA GPU as its driver describes it.
struct GpuInfo {
  int index = 0;          ///< NVML's order, that of PCI bus numbers; CUDA's own may differ
  std::string name = {};  ///< "NVIDIA H100 80GB HBM3"
  std::string uuid = {};  ///< what tells the card apart in CUDA too
  uint64_t memory_bytes = 0;
  uint64_t free_bytes = 0;  ///< now: other programs hold the rest
  std::string driver_version = {};
};

/// The GPUs of this machine, asked of NVML (the driver's management library), which is loaded while
/// this runs: nothing of CUDA is linked. Empty where there is no driver or no GPU. Throws Error
/// when there is a driver that does not answer (a half-done update, a missing permission).
/// `library` is what dlopen takes; tests give their own.
std::vector<GpuInfo> find_gpus(const std::string& library = "libnvidia-ml.so.1");

/// find_gpus for those who asked for no GPU: a driver that does not answer is a warning, and none.
std::vector<GpuInfo> find_gpus_or_warn(const LogSink& log,
                                       const std::string& library = "libnvidia-ml.so.1");

}  // namespace tessera
