#include "runtime/device_set.h"

#include <fmt/format.h>

#include <map>

#include "base/units.h"
#include "device/gpu.h"
#include "device/host.h"
#include "runtime/calibration.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Left to the rest of the system when "auto" takes host memory.
constexpr uint64_t kHostReserve = 1 * kGiB;
constexpr uint64_t kMeasureBudget = 256 * kMiB;
// What a link without a limit reaches: a copy in memory, half of the reads' bandwidth.
constexpr double kCopyShare = 0.5;

std::unique_ptr<Device> open_cpu(const DeviceSpec& spec, int number, const HostInfo& host) {
  const uint64_t memory = spec.memory_bytes.value_or(
      host.available_bytes > kHostReserve ? host.available_bytes - kHostReserve : 0);
  return open_virtual_device({.name = fmt::format("cpu:{}", number),
                              .kind = DeviceKind::kVirtual,
                              .budget_bytes = memory,
                              .threads = spec.threads > 0 ? spec.threads : host.usable_cores(),
                              .speed = spec.speed,
                              .link_bytes_per_s = spec.link_bytes_per_s});
}

// A driver that does not answer is the Error here: its GPUs were asked for.
[[noreturn]] void refuse_cuda(const DeviceSpec& spec) {
  const size_t gpus = find_gpus().size();
  throw Error({.where = "--devices",
               .what = spec.text,
               .expected = "a GPU that this build can use",
               .found = gpus == 0 ? "no GPU on this machine"
                                  : fmt::format("{} GPU(s), but a build without CUDA", gpus),
               .hint = "cpu devices run everywhere: --devices cpu"});
}

PlanLink link_of(const DeviceInfo& device, double read_bytes_per_s) {
  return {.bytes_per_s =
              device.link_bytes_per_s > 0 ? device.link_bytes_per_s : kCopyShare * read_bytes_per_s,
          .latency_s = device.link_latency_s};
}

PlanLink slower(const PlanLink& a, const PlanLink& b) {
  return {.bytes_per_s = std::min(a.bytes_per_s, b.bytes_per_s),
          .latency_s = std::max(a.latency_s, b.latency_s)};
}

}  // namespace

DeviceSet open_devices(const std::vector<DeviceSpec>& specs) {
  const HostInfo host = read_host_info();
  DeviceSet set;
  int cpus = 0;
  for (const DeviceSpec& spec : specs) {
    switch (spec.kind) {
      case DeviceSpec::Kind::kAuto:
      case DeviceSpec::Kind::kCpu:
        if (spec.index > 0)
          throw Error({.where = "--devices",
                       .what = spec.text,
                       .expected = "cpu or cpu:0: a machine has one CPU to share",
                       .found = fmt::format("index {}", spec.index)});
        set.devices.push_back(open_cpu(spec, cpus++, host));
        break;
      case DeviceSpec::Kind::kCuda:
        refuse_cuda(spec);
      case DeviceSpec::Kind::kImagined:
        throw UsageError({.where = "--devices",
                          .what = spec.text,
                          .expected = "cuda or cpu devices",
                          .found = "hardware to plan for",
                          .hint = "tessera plan takes it; or cpu@" + spec.hardware});
    }
  }
  set.host = open_virtual_device({.name = "host",
                                  .kind = DeviceKind::kVirtual,
                                  .budget_bytes = host.available_bytes,
                                  .threads = 1});
  return set;
}

KernelRates measure_rates(int threads) {
  const std::unique_ptr<Device> device = open_virtual_device({.name = "measure",
                                                              .kind = DeviceKind::kVirtual,
                                                              .budget_bytes = kMeasureBudget,
                                                              .threads = threads});
  return measure_kernel_rates(*device);
}

DescribedDevices describe_devices(const DeviceSet& set, KvFormat kv) {
  std::map<std::pair<int, double>, KernelRates> measured;  // by threads and speed
  DescribedDevices described;
  std::vector<PlanLink> own;
  for (const auto& device : set.devices) {
    const DeviceInfo& info = device->info();
    const auto [it, unknown] = measured.try_emplace({info.threads, info.speed});
    if (unknown) it->second = calibrated_rates(info.threads, info.speed);
    const KernelRates& rates = it->second;
    PlanDevice& out = described.devices.emplace_back(
        PlanDevice{.name = info.name,
                   .budget_bytes = info.budget_bytes,
                   .granule_bytes = info.granule_bytes,
                   .kv_bytes_per_s = rates.kv(kv),
                   .attention_flops_per_s = rates.attention_flops_per_s,
                   .values_per_s = rates.values_per_s,
                   .op_s = rates.op_s,
                   .measured = true});
    out.read_bytes_per_s = rates.read_bytes_per_s;
    out.flops_per_s = rates.flops_per_s;
    own.push_back(link_of(info, rates.kv(KvFormat::kBF16)));
  }
  PlanLinks& links = described.links;
  for (const PlanLink& from : own) {
    std::vector<PlanLink>& row = links.between.emplace_back();
    for (const PlanLink& to : own) row.push_back(slower(from, to));
  }
  links.from_host = own;
  links.to_host = own;
  return described;
}

void require_host_memory(uint64_t bytes) {
  const uint64_t available = read_host_info().available_bytes;
  if (bytes > available)
    throw Error({.where = "host memory",
                 .expected = format_bytes(bytes) + " for the devices and for loading",
                 .found = format_bytes(available) + " available",
                 .hint = "smaller devices, a shorter --context, or a lower --precision"});
}

}  // namespace tessera
