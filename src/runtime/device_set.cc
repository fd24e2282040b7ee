#include "runtime/device_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/units.h"
#include "device/gpu.h"
#include "device/host.h"
#include "device/measure_link.h"
#include "device/read_bandwidth.h"
#include "runtime/calibration.h"
#include "runtime/card_shares.h"
#include "runtime/device_feed.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Left to the rest of the system when "auto" takes host memory.
constexpr uint64_t kHostReserve = 1 * kGiB;
constexpr uint64_t kMeasureBudget = 256 * kMiB;
constexpr uint64_t kCudaMeasureBudget = kCudaEmulated ? 8 * kMiB : 400 * kMiB;
// What a link without a limit reaches: a copy in memory, half of the reads' bandwidth.
constexpr double kCopyShare = 0.5;

std::unique_ptr<Device> open_cpu(const DeviceSpec& spec, int number, const HostInfo& host) {
  const uint64_t memory = spec.memory_bytes.value_or(
      host.available_bytes > kHostReserve ? host.available_bytes - kHostReserve : 0);
  return open_virtual_device({.name = fmt::format("cpu:{}", number),
                              .kind = DeviceKind::kVirtual,
                              .budget_bytes = memory,
                              .threads = spec.threads > 0 ? spec.threads : host.usable_cores(),
                              .isa = spec.isa,
                              .speed = spec.speed,
                              .link_bytes_per_s = spec.link_bytes_per_s});
}

[[noreturn]] void refuse_cuda(const DeviceSpec& spec, const std::string& found) {
  throw Error({.where = "--devices",
               .what = spec.text,
               .expected = "a GPU that this build can use",
               .found = found,
               .hint = "cpu devices run everywhere: --devices cpu"});
}

// The GPUs that this build can use. A driver that does not answer is an Error.
std::vector<CudaCard> usable_cards() {
  if constexpr (kCudaBuilt) {
    return find_cuda_cards();
  } else {
    return {};
  }
}

// "auto" as the devices that it stands for.
std::vector<DeviceSpec> named_devices(const std::vector<DeviceSpec>& specs, const LogSink& log) {
  if (specs.size() != 1 || specs.front().kind != DeviceSpec::Kind::kAuto) return specs;
  const auto cpu_because = [&](const std::string& reason) {
    if (log && !reason.empty()) log(LogLevel::kWarning, reason + ": on with the CPU");
    return std::vector<DeviceSpec>{{.kind = DeviceSpec::Kind::kCpu, .text = "cpu"}};
  };
  if (!kCudaBuilt) return cpu_because("");
  try {
    const size_t cards = usable_cards().size();
    if (cards == 0) return cpu_because("no GPU on this machine");
    return std::vector<DeviceSpec>(cards, {.kind = DeviceSpec::Kind::kCuda, .text = "auto"});
  } catch (const Error& e) {
    return cpu_because(e.what());
  }
}

// Opens the CUDA devices among `specs`, in their order.
std::vector<std::unique_ptr<Device>> open_cuda(const std::vector<DeviceSpec>& specs,
                                               std::map<const Device*, CudaCard>& card_of) {
  const auto first = std::ranges::find(specs, DeviceSpec::Kind::kCuda, &DeviceSpec::kind);
  if (first == specs.end()) return {};
  std::vector<std::unique_ptr<Device>> devices;
  if constexpr (kCudaBuilt) {
    std::vector<CudaCard> cards = usable_cards();
    if (cards.empty()) refuse_cuda(*first, "no GPU on this machine");
    // First whom the list means: asking for free memory puts a context on the card.
    for (const CardShare& share : share_cards(specs, cards))
      cards[share.card].free_bytes = free_cuda_bytes(cards[share.card].index);
    std::map<size_t, std::shared_ptr<CudaCardBytes>> bytes;
    for (const CardShare& share : share_cards(specs, cards)) {
      std::shared_ptr<CudaCardBytes>& of_card = bytes[share.card];
      if (of_card == nullptr) of_card = std::make_shared<CudaCardBytes>(0);
      const CudaCard& card = cards[share.card];
      devices.push_back(open_cuda_device(card.index,
                                         {.name = share.name,
                                          .budget_bytes = share.budget_bytes,
                                          .graphs = share.graphs,
                                          .cublaslt = share.cublaslt},
                                         of_card));
      card_of.emplace(devices.back().get(), card);
    }
  } else {
    const size_t gpus = find_gpus().size();
    refuse_cuda(*first, gpus == 0 ? "no GPU on this machine"
                                  : fmt::format("{} GPU(s), but a build without CUDA", gpus));
  }
  return devices;
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

DeviceSet open_devices(const std::vector<DeviceSpec>& asked, const LogSink& log) {
  const std::vector<DeviceSpec> specs = named_devices(asked, log);
  for (const DeviceSpec& spec : specs)
    if (spec.kind == DeviceSpec::Kind::kImagined)
      throw UsageError({.where = "--devices",
                        .what = spec.text,
                        .expected = "cuda or cpu devices",
                        .found = "hardware to plan for",
                        .hint = "tessera plan takes it; or cpu@" + spec.hardware});
  const HostInfo host = read_host_info();
  DeviceSet set;
  std::vector<std::unique_ptr<Device>> cuda = open_cuda(specs, set.cards);
  auto next_cuda = cuda.begin();
  int cpus = 0;
  for (const DeviceSpec& spec : specs) {
    switch (spec.kind) {
      case DeviceSpec::Kind::kCpu:
        if (spec.index > 0)
          throw Error({.where = "--devices",
                       .what = spec.text,
                       .expected = "cpu or cpu:0: a machine has one CPU to share",
                       .found = fmt::format("index {}", spec.index)});
        set.devices.push_back(open_cpu(spec, cpus++, host));
        break;
      case DeviceSpec::Kind::kCuda:
        set.devices.push_back(std::move(*next_cuda++));
        break;
      case DeviceSpec::Kind::kAuto:
      case DeviceSpec::Kind::kImagined:
        break;  // stands for others, or was refused
    }
  }
  set.host = open_virtual_device({.name = "host",
                                  .kind = DeviceKind::kVirtual,
                                  .budget_bytes = host.available_bytes,
                                  .threads = 1});
  return set;
}

KernelRates measure_rates(int threads, Isa isa) {
  const uint64_t bytes = uncached_bytes(read_host_info());
  const std::unique_ptr<Device> device = open_virtual_device({.name = "measure",
                                                              .kind = DeviceKind::kVirtual,
                                                              .budget_bytes = bytes + kRatesBytes,
                                                              .threads = threads,
                                                              .isa = isa});
  return measure_kernel_rates(*device, bytes);
}

namespace {

// A device of this one's hardware to measure on: what that books counts to no peak.
std::unique_ptr<Device> beside(const DeviceSet& set, const Device* device) {
  if constexpr (kCudaBuilt) {
    const auto card = set.cards.find(device);
    if (card != set.cards.end())
      return open_cuda_device(card->second.index, {.name = device->info().name,
                                                   .budget_bytes = kCudaMeasureBudget,
                                                   .cublaslt = device->info().cublaslt});
  }
  DeviceInfo info = device->info();
  info.budget_bytes = kMeasureBudget;
  return open_virtual_device(std::move(info));
}

// What the rates of a card are called in the file: all of a kind are alike, as long as the same
// kernels run.
std::string rates_name(const CudaCard& card, const DeviceInfo& info) {
  return info.cublaslt ? card.name + ", cublaslt" : card.name;
}

// What the ends of links are called in the file; null: the host.
std::string end_of_link(const DeviceSet& set, const Device* device) {
  const auto card = set.cards.find(device);
  return card == set.cards.end() ? "host" : card->second.uuid;
}

PlanLink measured_link(const DeviceSet& set, const Device* from, const Device* to) {
  const auto measure = [&] {
    const std::unique_ptr<Device> sends = from == nullptr ? nullptr : beside(set, from);
    const std::unique_ptr<Device> receives = to == nullptr ? nullptr : beside(set, to);
    return measure_link(sends.get(), receives.get());
  };
  const std::string name = link_name(end_of_link(set, from), end_of_link(set, to));
  const Link link = kCudaEmulated ? measure() : calibrated_link(name, measure);
  return {.bytes_per_s = link.bytes_per_s, .latency_s = link.latency_s};
}

PlanDevice describe(const DeviceInfo& info, const KernelRates& rates, KvFormat kv) {
  PlanDevice out{.name = info.name,
                 .budget_bytes = info.budget_bytes,
                 .granule_bytes = info.granule_bytes,
                 .kv_bytes_per_s = rates.kv(kv),
                 .attention_flops_per_s = rates.attention_flops_per_s,
                 .attention_s = rates.attention_s,
                 .query_value_s = rates.query_value_s,
                 .score_s = rates.score_s,
                 .values_per_s = rates.values_per_s,
                 .op_s = rates.op_s,
                 .row_s = rates.row_s,
                 .measured = true};
  if (info.kind == DeviceKind::kCuda)
    out.fixed_bytes =
        kCudaWorkspaces * cuda_workspace_bytes(info.budget_bytes) + load_staging_bytes(info);
  out.read_bytes_per_s = rates.read_bytes_per_s;
  out.flops_per_s = rates.flops_per_s;
  out.matmul_times = rates.matmul_times;
  return out;
}

}  // namespace

DescribedDevices describe_devices(const DeviceSet& set, KvFormat kv) {
  std::map<std::tuple<int, Isa, double>, KernelRates> cpus;  // by threads, instructions and speed
  std::map<std::string, KernelRates> cards;                  // by rates_name
  DescribedDevices described;
  std::vector<PlanLink> own;  // of CPU devices, to anything
  for (const auto& device : set.devices) {
    const DeviceInfo& info = device->info();
    const auto card = set.cards.find(device.get());
    if (card != set.cards.end()) {
      const std::string name = rates_name(card->second, info);
      const auto [it, unknown] = cards.try_emplace(name);
      if (unknown)
        it->second = calibrated_card_rates(
            name, [&] { return measure_kernel_rates(*beside(set, device.get())); });
      described.devices.push_back(describe(info, it->second, kv));
      own.emplace_back();
      continue;
    }
    const auto [it, unknown] = cpus.try_emplace({info.threads, info.isa, info.speed});
    if (unknown) it->second = calibrated_rates(info.threads, info.isa, info.speed);
    described.devices.push_back(describe(info, it->second, kv));
    own.push_back(link_of(info, it->second.kv(KvFormat::kBF16)));
  }
  PlanLinks& links = described.links;
  for (size_t a = 0; a < own.size(); ++a) {
    const Device* from = set.devices[a].get();
    const bool from_card = set.cards.contains(from);
    links.from_host.push_back(from_card ? measured_link(set, nullptr, from) : own[a]);
    links.to_host.push_back(from_card ? measured_link(set, from, nullptr) : own[a]);
    std::vector<PlanLink>& row = links.between.emplace_back();
    for (size_t b = 0; b < own.size(); ++b) {
      const Device* to = set.devices[b].get();
      const bool measured = a != b && (from_card || set.cards.contains(to));
      row.push_back(measured ? measured_link(set, from, to) : slower(own[a], own[b]));
    }
  }
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
