#include "cli/gpus.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/units.h"
#include "cli/table.h"

namespace tessera {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string name_of(const GpuReport& gpu) {
  return fmt::format("cuda:{}", gpu.index);
}

// "-" for what is not told.
template <typename T>
std::string told(const std::optional<T>& value, const char* unit) {
  return value ? fmt::format("{:.0f}{}", static_cast<double>(*value), unit) : "-";
}

// "350 of 400 W"; what is not told stays out.
template <typename T>
std::string told_of(const std::optional<T>& now, const std::optional<T>& most, const char* unit) {
  return now && most ? told(now, " of ") + told(most, unit) : told(now, unit);
}

std::string pcie_text(const GpuReport& gpu) {
  const std::optional<GpuReport::Pcie>& most = gpu.most_pcie ? gpu.most_pcie : gpu.pcie;
  if (!most) return "-";
  return fmt::format("{}.0 x{}", most->generation, most->lanes);
}

std::string slowed_text(const GpuReport& gpu) {
  if (!gpu.slowed_by) return "-";
  return gpu.slowed_by->empty() ? "no" : fmt::format("{}", fmt::join(*gpu.slowed_by, ", "));
}

std::string others_text(const GpuReport& gpu) {
  const std::string bytes = format_bytes(gpu.foreign_bytes);
  return gpu.foreign_processes ? fmt::format("{} in {}", bytes, *gpu.foreign_processes) : bytes;
}

std::string paths_table(std::span<const GpuReport> gpus) {
  Rows rows = {{"from \\ to"}};
  for (const GpuReport& gpu : gpus) {
    rows.front().push_back(name_of(gpu));
    std::vector<std::string>& row = rows.emplace_back(1, name_of(gpu));
    for (const std::string& path : gpu.paths) row.push_back(path.empty() ? "-" : path);
  }
  return format_table(rows);
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json pcie_to_json(const std::optional<GpuReport::Pcie>& link) {
  if (!link) return {};
  return {{"generation", link->generation}, {"lanes", link->lanes}};
}

}  // namespace

std::string describe_gpus(std::span<const GpuReport> gpus) {
  if (gpus.empty()) return "no GPU: there is none, or its driver is not installed\n";
  Rows what = {{"gpu", "name", "memory", "free", "others hold", "pcie", "nvlinks", "driver"}};
  Rows now = {{"gpu", "temperature", "power", "clock", "busy", "slowed down by"}};
  for (const GpuReport& gpu : gpus) {
    what.push_back({name_of(gpu), gpu.name, format_bytes(gpu.memory_bytes),
                    format_bytes(gpu.free_bytes), others_text(gpu), pcie_text(gpu),
                    fmt::format("{}", gpu.nvlinks), gpu.driver});
    now.push_back({name_of(gpu), told(gpu.temperature_c, " C"),
                   told_of(gpu.power_w, gpu.power_limit_w, " W"),
                   told_of(gpu.clock_mhz, gpu.most_clock_mhz, " MHz"), told(gpu.busy_percent, " %"),
                   slowed_text(gpu)});
  }
  std::string text = format_table(what) + "\n" + format_table(now);
  if (gpus.size() > 1 && !gpus.front().paths.empty()) text += "\n" + paths_table(gpus);
  return text;
}

Json gpu_to_json(const GpuReport& gpu) {
  Json paths = Json::array();
  for (const std::string& path : gpu.paths) paths.push_back(path.empty() ? Json() : Json(path));
  return {{"device", name_of(gpu)},
          {"name", gpu.name},
          {"memory_bytes", gpu.memory_bytes},
          {"free_bytes", gpu.free_bytes},
          {"foreign_bytes", gpu.foreign_bytes},
          {"foreign_processes", or_null(gpu.foreign_processes)},
          {"temperature_c", or_null(gpu.temperature_c)},
          {"power_w", or_null(gpu.power_w)},
          {"power_limit_w", or_null(gpu.power_limit_w)},
          {"clock_mhz", or_null(gpu.clock_mhz)},
          {"most_clock_mhz", or_null(gpu.most_clock_mhz)},
          {"slowed_by", or_null(gpu.slowed_by)},
          {"busy_percent", or_null(gpu.busy_percent)},
          {"pcie", pcie_to_json(gpu.pcie)},
          {"most_pcie", pcie_to_json(gpu.most_pcie)},
          {"nvlinks", gpu.nvlinks},
          {"paths", std::move(paths)},
          {"driver", gpu.driver}};
}

}  // namespace tessera
