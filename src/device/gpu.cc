#include "device/gpu.h"

#include "device/nvml.h"
#include "tessera/error.h"

namespace tessera {
namespace {

struct NvmlMemory {
  unsigned long long total, free, used;  // bytes
};

}  // namespace

std::vector<GpuInfo> find_gpus(const std::string& library) {
  const Nvml nvml(library);
  if (!nvml.ready()) return {};
  unsigned count = 0;
  nvml.call("nvmlDeviceGetCount_v2", &count);
  const std::string driver_version = nvml.text("nvmlSystemGetDriverVersion");

  std::vector<GpuInfo> gpus;
  for (unsigned index = 0; index < count; ++index) {
    NvmlDevice device = nullptr;
    nvml.call("nvmlDeviceGetHandleByIndex_v2", index, &device);
    NvmlMemory memory = {};
    nvml.call("nvmlDeviceGetMemoryInfo", device, &memory);
    gpus.push_back({.index = static_cast<int>(index),
                    .name = nvml.text("nvmlDeviceGetName", device),
                    .uuid = nvml.text("nvmlDeviceGetUUID", device),
                    .memory_bytes = memory.total,
                    .free_bytes = memory.free,
                    .driver_version = driver_version});
  }
  return gpus;
}

std::vector<GpuInfo> find_gpus_or_warn(const LogSink& log, const std::string& library) {
  try {
    return find_gpus(library);
  } catch (const Error& e) {
    if (log) log(LogLevel::kWarning, e.what());
    return {};
  }
}

}  // namespace tessera
