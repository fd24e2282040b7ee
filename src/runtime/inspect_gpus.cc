#include "runtime/inspect_gpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "device/gpu.h"
#include "device/gpu_monitor.h"
#include "runtime/calibration.h"
#include "runtime/device_set.h"
#include "tessera/error.h"

namespace tessera {
namespace {

GpuReport report_of(const GpuInfo& info, const GpuTelemetry& now) {
  const auto pcie = [](const std::optional<GpuTelemetry::Pcie>& link) {
    return link ? std::optional(GpuReport::Pcie{link->generation, link->lanes}) : std::nullopt;
  };
  GpuReport report{.index = info.index,
                   .uuid = info.uuid,
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
                   .foreign_busy_percent = now.foreign_busy_percent,
                   .foreign_bytes = now.foreign_bytes,
                   .foreign_processes = now.foreign_processes,
                   .pcie = pcie(now.pcie),
                   .most_pcie = pcie(now.most_pcie),
                   .nvlinks = now.nvlinks};
  for (const std::optional<GpuPath>& path : now.paths)
    report.paths.emplace_back(path ? gpu_path_name(*path) : "");
  return report;
}

// As their driver tells.
std::vector<GpuReport> told_gpus(const LogSink& log) {
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

GpuReport report_of(const CudaCard& card) {
  return {.uuid = card.uuid,
          .name = card.name,
          .memory_bytes = card.memory_bytes,
          .free_bytes = card.free_bytes,
          .foreign_bytes = card.memory_bytes - std::min(card.memory_bytes, card.free_bytes)};
}

std::optional<GpuReport::Link> as_link(const std::optional<Link>& link) {
  if (!link) return std::nullopt;
  return GpuReport::Link{.bytes_per_s = link->bytes_per_s, .latency_s = link->latency_s};
}

// What earlier runs have measured.
void add_known_rates(std::vector<GpuReport>& gpus) {
  const auto known = [](const std::string& from, const std::string& to) {
    return as_link(known_link(link_name(from, to)));
  };
  for (GpuReport& gpu : gpus) {
    if (const auto rates = known_card_rates(gpu.name)) {
      gpu.read_bytes_per_s = rates->read(Precision::kBF16);
      gpu.bf16_flops_per_s = rates->flops(Precision::kBF16);
    }
    gpu.from_host = known("host", gpu.uuid);
    gpu.to_host = known(gpu.uuid, "host");
    for (const GpuReport& other : gpus) gpu.links.push_back(known(gpu.uuid, other.uuid));
  }
}

// `cards` reports come first, in CUDA's order.
void add_measured_rates(std::vector<GpuReport>& gpus, size_t cards) {
  const DeviceSet set = open_devices(parse_devices(fmt::format("{}xcuda", cards)));
  const auto [devices, links] = describe_devices(set, KvFormat::kBF16);
  const auto link = [](const PlanLink& of) {
    return GpuReport::Link{.bytes_per_s = of.bytes_per_s, .latency_s = of.latency_s};
  };
  constexpr auto kStored = static_cast<size_t>(Precision::kBF16);
  for (size_t i = 0; i < cards; ++i) {
    GpuReport& gpu = gpus[i];
    gpu.read_bytes_per_s = devices[i].read_bytes_per_s[kStored];
    gpu.bf16_flops_per_s = devices[i].flops_per_s[kStored];
    gpu.from_host = link(links.from_host[i]);
    gpu.to_host = link(links.to_host[i]);
    gpu.links.assign(gpus.size(), std::nullopt);
    for (size_t to = 0; to < cards; ++to)
      if (to != i) gpu.links[to] = link(links.between[i][to]);
  }
}

}  // namespace

std::vector<GpuReport> inspect_gpus(const LogSink& log, bool measure) {
  std::vector<GpuReport> gpus = told_gpus(log);
  if constexpr (kCudaBuilt) {
    try {
      const std::vector<CudaCard> cards = find_cuda_cards();
      gpus = numbered_as_cuda(gpus, cards);
      if (measure && !cards.empty())
        add_measured_rates(gpus, cards.size());
      else
        add_known_rates(gpus);
    } catch (const Error& e) {  // what their driver tells is known all the same
      if (log) log(LogLevel::kWarning, e.what());
    }
  }
  return gpus;
}

std::vector<GpuReport> numbered_as_cuda(const std::vector<GpuReport>& gpus,
                                        std::span<const CudaCard> cards) {
  std::vector<GpuReport> out;
  std::vector<std::optional<size_t>> before;  // where each stood among `gpus`
  for (const CudaCard& card : cards) {
    const auto told = std::ranges::find(gpus, card.uuid, &GpuReport::uuid);
    const bool known = told != gpus.end();
    out.push_back(known ? *told : report_of(card));
    out.back().cuda_index = card.index;
    before.push_back(known ? std::optional(static_cast<size_t>(told - gpus.begin()))
                           : std::nullopt);
  }
  for (size_t i = 0; i < gpus.size(); ++i) {
    if (std::ranges::find(before, std::optional(i)) != before.end()) continue;
    out.push_back(gpus[i]);
    before.emplace_back(i);
  }
  for (GpuReport& gpu : out) {
    const std::vector<std::string> paths = std::exchange(gpu.paths, {});
    if (paths.empty()) continue;
    for (const std::optional<size_t>& to : before) gpu.paths.push_back(to ? paths.at(*to) : "");
  }
  return out;
}

}  // namespace tessera
