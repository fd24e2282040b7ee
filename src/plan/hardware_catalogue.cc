#include "plan/hardware_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/units.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Makers' data sheets: memory, its bandwidth, dense tensor-core rates (bf16 with f32 accumulation,
// which GeForce cards run at half rate up to the 40 series; int8).
constexpr std::array<Hardware, 19> kHardware = {{
    {"rtx3060", 12 * kGiB, 360e9, 25.5e12, 102e12},
    {"rtx3080", 10 * kGiB, 760e9, 59.5e12, 238e12},
    {"rtx3080ti", 12 * kGiB, 912e9, 68e12, 273e12},
    {"rtx3090", 24 * kGiB, 936e9, 71e12, 284e12},
    {"rtx3090ti", 24 * kGiB, 1008e9, 80e12, 320e12},
    {"rtx4060ti", 16 * kGiB, 288e9, 44e12, 177e12},
    {"rtx4070", 12 * kGiB, 504e9, 58e12, 233e12},
    {"rtx4070ti", 12 * kGiB, 504e9, 80e12, 321e12},
    {"rtx4080", 16 * kGiB, 717e9, 97e12, 390e12},
    {"rtx4090", 24 * kGiB, 1008e9, 165e12, 661e12},
    {"rtx5090", 32 * kGiB, 1792e9, 210e12, 838e12},
    {"a6000", 48 * kGiB, 768e9, 155e12, 310e12},
    {"a10", 24 * kGiB, 600e9, 125e12, 250e12},
    {"l4", 24 * kGiB, 300e9, 121e12, 242e12},
    {"l40s", 48 * kGiB, 864e9, 362e12, 733e12},
    {"a100-40gb", 40 * kGiB, 1555e9, 312e12, 624e12},
    {"a100", 80 * kGiB, 2039e9, 312e12, 624e12},
    {"h100", 80 * kGiB, 3350e9, 989e12, 1979e12},
    {"h200", 141 * kGiB, 4800e9, 989e12, 1979e12},
}};

constexpr std::string_view kGeneric = "rtx3090";

// Shares of the data sheet that good kernels reach: streaming reads, matmuls and attention of many
// rows; matmuls of integers, whose groups each end outside of the tensor cores.
constexpr double kReadShare = 0.88, kMatmulShare = 0.7, kAttentionShare = 0.5, kIntegerShare = 0.45;
// A CUDA context (250 to 500 MiB with the modules a model needs) and library workspaces.
constexpr uint64_t kFixedBytes = 500 * kMiB;
constexpr uint64_t kGranuleBytes = 2 * kMiB;  // of CUDA's physical memory
constexpr double kLaunch_s = 4e-6;            // of a kernel
constexpr PlanLink kPcie4 = {.bytes_per_s = 12e9, .latency_s = 20e-6};

const Hardware& find_hardware(const DeviceSpec& spec) {
  const std::string_view name = parse_bytes(spec.hardware) ? kGeneric : spec.hardware;
  const auto found = std::ranges::find(kHardware, name, &Hardware::name);
  if (found != kHardware.end()) return *found;
  std::string names;
  for (const Hardware& card : kHardware) names += fmt::format(", {}", card.name);
  throw UsageError({.where = "--devices",
                    .what = spec.text,
                    .expected = "auto, cpu, cuda, a size as in 24GiB" + names,
                    .found = '"' + spec.hardware + '"'});
}

}  // namespace

std::vector<Hardware> known_hardware() {
  return {kHardware.begin(), kHardware.end()};
}

PlanDevice imagined_device(const DeviceSpec& spec, int number) {
  const Hardware& card = find_hardware(spec);
  const std::optional<uint64_t> size = parse_bytes(spec.hardware);
  PlanDevice device{.name = fmt::format("{}:{}", spec.hardware, number),
                    .budget_bytes = spec.memory_bytes.value_or(size.value_or(card.memory_bytes)),
                    .fixed_bytes = kFixedBytes,
                    .granule_bytes = kGranuleBytes,
                    .kv_bytes_per_s = kReadShare * card.read_bytes_per_s,
                    .attention_flops_per_s = kAttentionShare * card.bf16_flops_per_s,
                    .op_s = kLaunch_s,
                    .measured = false};
  device.values_per_s.fill(kReadShare * card.read_bytes_per_s / sizeof(float));
  device.read_bytes_per_s.fill(kReadShare * card.read_bytes_per_s);
  // f32 runs at half of bf16.
  device.flops_per_s.fill(kMatmulShare * card.bf16_flops_per_s);
  device.flops_per_s[static_cast<size_t>(Precision::kF32)] /= 2;
  for (const Precision integer :
       {Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
    device.flops_per_s[static_cast<size_t>(integer)] = kIntegerShare * card.int8_ops_per_s;
  return device;
}

PlanLinks imagined_links(size_t devices) {
  PlanLinks links;
  links.between.assign(devices, std::vector<PlanLink>(devices, kPcie4));
  links.from_host.assign(devices, kPcie4);
  links.to_host = links.from_host;
  return links;
}

}  // namespace tessera
