#pragma once

#include "plan/problem.h"

namespace tessera {

/// What the plans of the corpus were made for: four layers, a vision tower and three unequal
/// devices, with memory for bf16 or, `tight`, only for less.
inline PlanProblem fuzz_problem(bool tight) {
  const auto unit = [](const char* name, uint64_t bytes) {
    PlanUnit made{.name = name};
    for (const auto& [precision, divisor, loss] :
         {std::tuple(Precision::kBF16, 1, 0.0), std::tuple(Precision::kInt8, 2, 1e-5)})
      made.costs[precision] = {.weight_bytes = bytes / divisor,
                               .read_bytes = bytes / divisor,
                               .flops_per_token = static_cast<double>(bytes),
                               .loss = loss};
    return made;
  };
  PlanProblem problem;
  problem.layers.assign(4, unit("layer", 1000));
  for (PlanUnit& layer : problem.layers) layer.kv_bytes_per_token = 1;
  problem.head = unit("head", 600);
  problem.embedding = unit("embedding", 600);
  problem.vision = unit("vision", 800);
  for (const auto& [name, bytes, rate] :
       {std::tuple("a", 5200, 1e6), std::tuple("b", 2400, 3e6), std::tuple("c", 2000, 2e6)}) {
    PlanDevice& device = problem.devices.emplace_back(
        PlanDevice{.name = name,
                   .budget_bytes = static_cast<uint64_t>(tight ? bytes / 2 : bytes),
                   .fixed_bytes = 10,
                   .granule_bytes = 8,
                   .kv_bytes_per_s = rate,
                   .attention_flops_per_s = 10 * rate});
    device.values_per_s.fill(rate);
    device.read_bytes_per_s.fill(rate);
    device.flops_per_s.fill(10 * rate);
  }
  const PlanLink link{.bytes_per_s = 1e7, .latency_s = 1e-6};
  problem.links.between.assign(3, std::vector<PlanLink>(3, link));
  problem.links.from_host = problem.links.to_host = std::vector<PlanLink>(3, link);
  problem.workload = {.context = 64,
                      .prompt_tokens = 40,
                      .chunk_tokens = 16,
                      .image_tokens = 20,
                      .answer_tokens = 10};
  problem.arena_bytes.fill(16);
  problem.hidden_bytes_per_token = 32;
  problem.embedding_on_host_allowed = !tight;
  problem.precisions = {Precision::kBF16, Precision::kInt8};
  return problem;
}

}  // namespace tessera
