#include "device/gpu_monitor.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "device/system_text.h"

namespace tessera {
namespace {

// Source: NVML API Reference, "Device Queries", "Device Enums", "Device Structs", "NvLink Methods".
constexpr int kNvmlTemperatureGpu = 0;
constexpr int kNvmlClockSm = 1;
constexpr int kNvmlP2pNvLink = 2;  // nvmlGpuP2PCapsIndex_t
constexpr int kNvmlP2pOk = 0;
constexpr unsigned kNvmlMostLinks = 18;
constexpr unsigned kNvmlEnabled = 1;
constexpr unsigned long long kNvmlNoValue = ~0ULL;

struct NvmlMemoryUse {
  unsigned long long total, free, used;
};
struct NvmlUtilization {
  unsigned gpu, memory;  // percent
};
struct NvmlProcess {  // of nvmlDeviceGetComputeRunningProcesses_v3
  unsigned pid;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;
};

struct NvmlProcessSample {  // of nvmlDeviceGetProcessUtilization
  unsigned pid;
  unsigned long long time_us;
  unsigned processors, memory, encoder, decoder;  // percent
};

// nvmlClocksEventReasons; those that are left out slow nothing down that wants to run.
struct Reason {
  unsigned long long bit;
  const char* name;
};
constexpr std::array kReasons = {
    Reason{0x4, "power limit"},     Reason{0x8, "hardware slowdown"},
    Reason{0x10, "sync boost"},     Reason{0x20, "heat"},
    Reason{0x40, "hardware: heat"}, Reason{0x80, "hardware: power brake"}};

template <typename To, typename From>
std::optional<To> as(const std::optional<From>& value, double factor = 1) {
  if (!value) return std::nullopt;
  return static_cast<To>(static_cast<double>(*value) * factor);
}

}  // namespace

std::string_view gpu_path_name(GpuPath path) {
  constexpr std::array<std::string_view, 5> kNames = {"NVLink", "PCIe switch", "host bridge",
                                                      "NUMA node", "between NUMA nodes"};
  return kNames[static_cast<size_t>(path)];
}

std::vector<GpuTelemetry> GpuMonitor::read() const {
  if (!nvml_.ready()) return {};
  unsigned count = 0;
  nvml_.call("nvmlDeviceGetCount_v2", &count);
  std::vector<NvmlDevice> devices(count);
  for (unsigned index = 0; index < count; ++index)
    nvml_.call("nvmlDeviceGetHandleByIndex_v2", index, &devices[index]);

  std::vector<GpuTelemetry> gpus;
  for (size_t i = 0; i < devices.size(); ++i) {
    GpuTelemetry& gpu = gpus.emplace_back(read_one(static_cast<int>(i), devices[i]));
    for (const NvmlDevice other : devices)
      gpu.paths.push_back(other == devices[i] ? std::nullopt : path_between(devices[i], other));
  }
  return gpus;
}

GpuTelemetry GpuMonitor::read_one(int index, NvmlDevice device) const {
  const auto number = [&](const char* symbol) { return nvml_.ask<unsigned>(symbol, device); };
  const auto pcie = [&](const char* generation, const char* lanes) {
    const std::optional<unsigned> is = number(generation), wide = number(lanes);
    return is && wide
               ? std::optional(GpuTelemetry::Pcie{static_cast<int>(*is), static_cast<int>(*wide)})
               : std::nullopt;
  };
  GpuTelemetry gpu{.index = index};
  gpu.temperature_c =
      as<int>(nvml_.ask<unsigned>("nvmlDeviceGetTemperature", device, kNvmlTemperatureGpu));
  gpu.power_w = as<double>(number("nvmlDeviceGetPowerUsage"), 1e-3);
  gpu.power_limit_w = as<double>(number("nvmlDeviceGetEnforcedPowerLimit"), 1e-3);
  gpu.clock_mhz = as<int>(nvml_.ask<unsigned>("nvmlDeviceGetClockInfo", device, kNvmlClockSm));
  gpu.most_clock_mhz =
      as<int>(nvml_.ask<unsigned>("nvmlDeviceGetMaxClockInfo", device, kNvmlClockSm));
  gpu.pcie = pcie("nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetCurrPcieLinkWidth");
  gpu.most_pcie = pcie("nvmlDeviceGetMaxPcieLinkGeneration", "nvmlDeviceGetMaxPcieLinkWidth");
  if (const auto busy = nvml_.ask<NvmlUtilization>("nvmlDeviceGetUtilizationRates", device))
    gpu.busy_percent = static_cast<int>(busy->gpu);

  // The same under the name of before the 535 driver.
  auto reasons = nvml_.ask<unsigned long long>("nvmlDeviceGetCurrentClocksEventReasons", device);
  if (!reasons)
    reasons = nvml_.ask<unsigned long long>("nvmlDeviceGetCurrentClocksThrottleReasons", device);
  if (reasons) {
    gpu.slowed_by.emplace();
    for (const Reason& reason : kReasons)
      if ((*reasons & reason.bit) != 0) gpu.slowed_by->push_back(reason.name);
  }
  for (unsigned link = 0; link < kNvmlMostLinks; ++link)
    gpu.nvlinks += nvml_.ask<unsigned>("nvmlDeviceGetNvLinkState", device, link) == kNvmlEnabled;
  add_processes(device, gpu);
  return gpu;
}

// By whichever of its names the driver calls this process: in a container it has another pid than
// outside. Source: proc_pid_status(5), NSpid.
std::vector<unsigned> GpuMonitor::own_pids() const {
  std::vector<unsigned> pids = {static_cast<unsigned>(getpid())};
  const std::string status = read_system_text(root_ + "/proc/self/status").value_or("");
  constexpr std::string_view kKey = "\nNSpid:";
  const size_t key = status.find(kKey);
  if (key == std::string::npos) return pids;
  std::string_view line = std::string_view(status).substr(key + kKey.size());
  line = line.substr(0, line.find('\n'));
  for (size_t at = 0; at != std::string_view::npos; at = line.find('\t', at + 1))
    if (const auto pid = leading_integer(line.substr(at)))
      pids.push_back(static_cast<unsigned>(*pid));
  return pids;
}

// Foreign is what is in use, or runs, and is not this process's own.
void GpuMonitor::add_processes(NvmlDevice device, GpuTelemetry& gpu) const {
  NvmlMemoryUse memory = {};
  nvml_.call("nvmlDeviceGetMemoryInfo", device, &memory);
  gpu.foreign_bytes = memory.used;

  const std::vector<unsigned> own = own_pids();
  const auto is_own = [&](unsigned pid) { return std::ranges::count(own, pid) > 0; };
  std::array<NvmlProcess, 256> processes = {};  // more than a GPU has
  auto count = static_cast<unsigned>(processes.size());
  if (!nvml_.may_call("nvmlDeviceGetComputeRunningProcesses_v3", device, &count, processes.data()))
    return;
  gpu.foreign_processes = 0;
  for (const NvmlProcess& process : std::span(processes).first(count)) {
    if (!is_own(process.pid))
      ++*gpu.foreign_processes;
    else if (process.bytes != kNvmlNoValue)
      gpu.foreign_bytes -= std::min<uint64_t>(gpu.foreign_bytes, process.bytes);
  }

  std::array<NvmlProcessSample, 1024> samples = {};  // more than the driver keeps
  count = static_cast<unsigned>(samples.size());
  const unsigned long long all = 0;  // not only those later than
  if (!nvml_.may_call("nvmlDeviceGetProcessUtilization", device, samples.data(), &count, all))
    return;
  std::map<unsigned, NvmlProcessSample> latest;  // by pid
  for (const NvmlProcessSample& sample : std::span(samples).first(count))
    if (NvmlProcessSample& kept = latest[sample.pid]; sample.time_us >= kept.time_us) kept = sample;
  unsigned percent = 0;
  for (const auto& [pid, sample] : latest)
    if (!is_own(pid)) percent += sample.processors;
  gpu.foreign_busy_percent = static_cast<int>(std::min(percent, 100U));
}

std::optional<GpuPath> GpuMonitor::path_between(NvmlDevice a, NvmlDevice b) const {
  if (nvml_.ask<int>("nvmlDeviceGetP2PStatus", a, b, kNvmlP2pNvLink) == kNvmlP2pOk)
    return GpuPath::kNvLink;
  const auto level = nvml_.ask<int>("nvmlDeviceGetTopologyCommonAncestor", a, b);
  if (!level) return std::nullopt;
  // nvmlGpuTopologyLevel_t: 0 same board, 10 one switch, 20 several, 30 host bridge, 40 node.
  if (*level <= 20) return GpuPath::kSwitch;
  if (*level <= 30) return GpuPath::kHostBridge;
  return *level <= 40 ? GpuPath::kNumaNode : GpuPath::kBetweenNodes;
}

}  // namespace tessera
