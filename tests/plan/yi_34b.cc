#include "tests/plan/yi_34b.h"

#include <fmt/format.h>

#include <random>

#include "base/units.h"
#include "plan/loss_model.h"

namespace tessera {
namespace {

constexpr double kBitsPerWeight[kPrecisionCount] = {32, 16, 8.125, 8, 6.56, 5.5, 4.5};

PlanUnit unit(const std::string& name, double weights, std::vector<Precision> precisions) {
  PlanUnit unit = {.name = name};
  for (const Precision p : precisions) {
    const auto bytes = static_cast<uint64_t>(weights * kBitsPerWeight[static_cast<size_t>(p)] / 8);
    unit.costs[p] = {
        .weight_bytes = bytes, .read_bytes = bytes, .flops_per_token = 2 * weights, .loss = 0};
  }
  return unit;
}

PlanDevice gpu(std::string name, uint64_t budget_bytes, double bytes_per_s, double flops_per_s) {
  PlanDevice device = {.name = std::move(name),
                       .budget_bytes = budget_bytes,
                       .fixed_bytes = 700 * kMiB,
                       .granule_bytes = 2 * kMiB,
                       .kv_bytes_per_s = bytes_per_s,
                       .attention_flops_per_s = flops_per_s};
  device.values_per_s.fill(bytes_per_s / 4);
  device.read_bytes_per_s.fill(bytes_per_s);
  device.flops_per_s.fill(flops_per_s);
  return device;
}

}  // namespace

PlanDevice rtx_3090(int index, double speed) {
  return gpu(fmt::format("rtx3090:{}", index), 24 * kGiB, 936e9 * 0.88 * speed,
             71e12 * 0.7 * speed);
}

PlanDevice rtx_3080(int index) {
  return gpu(fmt::format("rtx3080:{}", index), 10 * kGiB, 760e9 * 0.88, 59.5e12 * 0.7);
}

PlanLinks equal_links(size_t devices) {
  const PlanLink link = {.bytes_per_s = 12e9, .latency_s = 20e-6};
  return {.between = std::vector(devices, std::vector(devices, link)),
          .from_host = std::vector(devices, link),
          .to_host = std::vector(devices, link)};
}

PlanProblem yi_34b(const std::vector<PlanDevice>& devices) {
  constexpr double kHidden = 7168, kFfn = 20480, kKvWidth = 8 * 128, kWords = 64000;
  const double layer =
      2 * kHidden * kHidden + 2 * kHidden * kKvWidth + 3 * kHidden * kFfn + 2 * kHidden;
  PlanProblem problem;
  for (int u = 0; u < 60; ++u) {
    PlanUnit l = unit(
        fmt::format("layer {}", u), layer,
        {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4});
    l.kv_bytes_per_token = 4096;
    l.attention_flops_per_pair = 4 * kHidden;
    for (auto& [precision, cost] : l.costs)
      cost.loss = default_layer_loss(precision, Precision::kBF16, u, 60);
    problem.layers.push_back(std::move(l));
  }
  problem.head = unit("head", kWords * kHidden, {Precision::kBF16, Precision::kInt8});
  problem.head.costs[Precision::kInt8].loss = default_loss(Precision::kInt8, Precision::kBF16);
  problem.embedding = unit("embedding", kWords * kHidden, {Precision::kBF16});
  problem.vision = unit("vision", 1.29 * 0x1p30 / 2, {Precision::kBF16});
  problem.vision->costs[Precision::kBF16].flops_per_token = 1.5e12 / 1024;
  problem.devices = devices;
  problem.links = equal_links(devices.size());
  problem.hidden_bytes_per_token = static_cast<uint64_t>(2 * kHidden);
  for (size_t held = 1; held < 16; ++held) problem.arena_bytes[held] = 28 * kMiB;
  return problem;
}

PlanProblem all_different(int layers, int devices) {
  std::mt19937 random(7);
  const auto real = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  std::vector<PlanDevice> list;
  const double fair = layers * 1.06 / 0.9 / devices + 1.3;
  for (int d = 0; d < devices; ++d)
    list.push_back(gpu(fmt::format("gpu:{}", d),
                       static_cast<uint64_t>(real(0.6, 1.4) * fair * 0x1p30), real(4e11, 1.6e12),
                       real(3e13, 1e14)));
  PlanProblem problem = yi_34b(list);
  const PlanUnit layer = problem.layers[10];
  problem.layers.assign(static_cast<size_t>(layers), layer);
  for (auto& row : problem.links.between)
    for (PlanLink& link : row)
      link = {.bytes_per_s = real(5e9, 3e10), .latency_s = real(5e-6, 6e-5)};
  for (size_t d = 0; d < list.size(); ++d) {
    problem.links.from_host[d].latency_s = real(5e-6, 3e-5);
    problem.links.to_host[d].latency_s = real(5e-6, 3e-5);
  }
  return problem;
}

}  // namespace tessera
