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
  return gpu.cuda_index ? fmt::format("cuda:{}", *gpu.cuda_index)
                        : fmt::format("gpu:{}", gpu.index);
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

std::string busy_text(const GpuReport& gpu) {
  const std::string all = told(gpu.busy_percent, " %");
  if (!gpu.foreign_busy_percent) return all;
  return fmt::format("{}, others {}", all, told(gpu.foreign_busy_percent, " %"));
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

std::string rate_text(const std::optional<GpuReport::Link>& link) {
  return link ? format_bandwidth(link->bytes_per_s) : "-";
}

// Empty where nothing has been measured.
std::string rates_table(std::span<const GpuReport> gpus) {
  Rows rows = {{"gpu", "reads", "matmul bf16", "from host", "to host"}};
  for (const GpuReport& gpu : gpus) rows.front().push_back("to " + name_of(gpu));
  bool measured = false;
  for (const GpuReport& gpu : gpus) {
    measured = measured || gpu.read_bytes_per_s || gpu.from_host;
    std::vector<std::string>& row = rows.emplace_back(std::vector<std::string>{
        name_of(gpu), gpu.read_bytes_per_s ? format_bandwidth(*gpu.read_bytes_per_s) : "-",
        gpu.bf16_flops_per_s ? fmt::format("{:.1f} TFLOP/s", *gpu.bf16_flops_per_s / 1e12) : "-",
        rate_text(gpu.from_host), rate_text(gpu.to_host)});
    for (const auto& link : gpu.links) row.push_back(rate_text(link));
    row.resize(rows.front().size(), "-");
  }
  return measured ? format_table(rows) : "";
}

Json link_to_json(const std::optional<GpuReport::Link>& link) {
  if (!link) return {};
  return {{"bytes_per_s", link->bytes_per_s}, {"latency_s", link->latency_s}};
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
    now.push_back(
        {name_of(gpu), told(gpu.temperature_c, " C"), told_of(gpu.power_w, gpu.power_limit_w, " W"),
         told_of(gpu.clock_mhz, gpu.most_clock_mhz, " MHz"), busy_text(gpu), slowed_text(gpu)});
  }
  std::string text = format_table(what) + "\n" + format_table(now);
  if (gpus.size() > 1 && !gpus.front().paths.empty()) text += "\n" + paths_table(gpus);
  const std::string rates = rates_table(gpus);
  if (!rates.empty()) {
    text += "\n" + rates;
  } else if (gpus.front().cuda_index) {
    text += "\nrates and links: not measured yet; tessera devices --measure does\n";
  }
  return text;
}

Json gpu_to_json(const GpuReport& gpu) {
  Json paths = Json::array();
  for (const std::string& path : gpu.paths) paths.push_back(path.empty() ? Json() : Json(path));
  Json links = Json::array();
  for (const auto& link : gpu.links) links.push_back(link_to_json(link));
  return {{"device", name_of(gpu)},
          {"uuid", gpu.uuid},
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
          {"foreign_busy_percent", or_null(gpu.foreign_busy_percent)},
          {"pcie", pcie_to_json(gpu.pcie)},
          {"most_pcie", pcie_to_json(gpu.most_pcie)},
          {"nvlinks", gpu.nvlinks},
          {"paths", std::move(paths)},
          {"read_bytes_per_s", or_null(gpu.read_bytes_per_s)},
          {"bf16_flops_per_s", or_null(gpu.bf16_flops_per_s)},
          {"from_host", link_to_json(gpu.from_host)},
          {"to_host", link_to_json(gpu.to_host)},
          {"links", std::move(links)},
          {"driver", gpu.driver}};
}

}  // namespace tessera
