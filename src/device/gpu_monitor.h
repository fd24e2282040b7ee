#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/nvml.h"

namespace tessera {

/// How two GPUs reach each other, nearest first.
enum class GpuPath : uint8_t { kNvLink, kSwitch, kHostBridge, kNumaNode, kBetweenNodes };

/// What a person calls it: "NVLink", "PCIe switch", ...
std::string_view gpu_path_name(GpuPath path);

/// How a GPU fares now. What its driver does not tell is absent.
struct GpuTelemetry {
  int index = 0;  ///< as GpuInfo::index
  std::optional<int> temperature_c = {};
  std::optional<double> power_w = {}, power_limit_w = {};
  std::optional<int> clock_mhz = {}, most_clock_mhz = {};  ///< of the multiprocessors
  /// Why the clocks are lower than they could be: "power limit", "heat", ...; an idle GPU's lower
  /// clocks and those that its owner has set are no such reason. Absent: not told.
  std::optional<std::vector<std::string>> slowed_by = {};
  /// Of the last second or less: some kernel ran, of whatever program; one of another ran.
  std::optional<int> busy_percent = {}, foreign_busy_percent = {};
  uint64_t foreign_bytes = 0;  ///< held by others, the driver's own share included
  std::optional<int> foreign_processes = {};

  /// Of the PCIe link, now (an idle one may have been slowed down) and at most.
  struct Pcie {
    int generation = 0, lanes = 0;
  };
  std::optional<Pcie> pcie = {}, most_pcie = {};
  int nvlinks = 0;  ///< that are up
  /// To each GPU by its index; absent to itself, and where it is not told.
  std::vector<std::optional<GpuPath>> paths = {};
};

/// Asks the driver how the GPUs fare; cheap enough for every second. Thread-safe.
class GpuMonitor {
 public:
  /// As find_gpus; where there is no driver, read() gives nothing.
  /// `root` is where /proc is found; tests give their own of both.
  explicit GpuMonitor(std::string library = "libnvidia-ml.so.1", std::string root = "")
      : nvml_(std::move(library)), root_(std::move(root)) {}

  /// One for each GPU, in the order of their indices. Throws Error when the driver stops answering,
  /// or a GPU is lost.
  std::vector<GpuTelemetry> read() const;

 private:
  GpuTelemetry read_one(int index, NvmlDevice device) const;
  std::optional<GpuPath> path_between(NvmlDevice a, NvmlDevice b) const;
  void add_processes(NvmlDevice device, GpuTelemetry& gpu) const;

  std::vector<unsigned> own_pids() const;

  Nvml nvml_;
  const std::string root_;
};

}  // namespace tessera
