#include "device/gpu.h"

#include <dlfcn.h>

#include <array>
#include <memory>

#include "tessera/error.h"

namespace tessera {
namespace {

// The part of NVML that is used here. Source: NVML API Reference, "Initialization and Cleanup",
// "System Queries", "Device Queries", "nvmlReturn_t".
using NvmlDevice = void*;
struct NvmlMemory {
  unsigned long long total, free, used;  // bytes
};
constexpr int kNvmlSuccess = 0;
constexpr int kNvmlDriverNotLoaded = 9;

struct CloseLibrary {
  void operator()(void* library) const noexcept { dlclose(library); }
};

/// NVML, loaded and initialised; shut down and unloaded at the end.
class Nvml {
 public:
  explicit Nvml(std::string name) : name_(std::move(name)) {
    library_.reset(dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (!library_) return;
    auto* shutdown = function<int()>("nvmlShutdown");
    const int status = function<int()>("nvmlInit_v2")();
    if (status == kNvmlDriverNotLoaded) return;
    check(status, "nvmlInit_v2");
    shutdown_ = shutdown;
  }
  ~Nvml() {
    if (shutdown_ != nullptr) shutdown_();
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  bool ready() const { return shutdown_ != nullptr; }

  /// Calls an NVML function by its name; anything but success is an Error.
  template <typename... Arguments>
  void call(const char* symbol, Arguments... arguments) const {
    check(function<int(Arguments...)>(symbol)(arguments...), symbol);
  }

  /// A call that fills in text.
  template <typename... Arguments>
  std::string text(const char* symbol, Arguments... arguments) const {
    std::array<char, 96> buffer = {};
    call(symbol, arguments..., buffer.data(), static_cast<unsigned>(buffer.size()));
    buffer.back() = '\0';
    return buffer.data();
  }

 private:
  template <typename Signature>
  Signature* function(const char* symbol) const {
    void* found = dlsym(library_.get(), symbol);
    if (found == nullptr)
      throw Error({.where = name_,
                   .what = symbol,
                   .expected = "a function of NVML",
                   .found = "none",
                   .hint = "is the NVIDIA driver very old?"});
    return reinterpret_cast<Signature*>(found);
  }

  void check(int status, const char* symbol) const {
    if (status == kNvmlSuccess) return;
    const auto* reason = function<const char*(int)>("nvmlErrorString")(status);
    throw Error({.where = name_,
                 .what = symbol,
                 .found = reason != nullptr ? reason : "error " + std::to_string(status),
                 .hint = "nvidia-smi should say the same; until it works, use cpu devices"});
  }

  const std::string name_;
  std::unique_ptr<void, CloseLibrary> library_;
  int (*shutdown_)() = nullptr;  // set while NVML is initialised
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
