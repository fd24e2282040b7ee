#include "plan/device_class.h"

#include <fmt/format.h>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxStates = uint64_t{1} << 16;

bool same(const PlanLink& a, const PlanLink& b) {
  return a.bytes_per_s == b.bytes_per_s && a.latency_s == b.latency_s;
}

bool same_numbers(const PlanDevice& a, const PlanDevice& b) {
  return a.budget_bytes == b.budget_bytes && a.fixed_bytes == b.fixed_bytes &&
         a.granule_bytes == b.granule_bytes && a.read_bytes_per_s == b.read_bytes_per_s &&
         a.flops_per_s == b.flops_per_s && a.kv_bytes_per_s == b.kv_bytes_per_s &&
         a.attention_flops_per_s == b.attention_flops_per_s && a.values_per_s == b.values_per_s &&
         a.attention_s == b.attention_s && a.query_value_s == b.query_value_s &&
         a.score_s == b.score_s && a.op_s == b.op_s && a.row_s == b.row_s &&
         a.matmul_times == b.matmul_times;
}

bool interchangeable(const PlanProblem& problem, size_t a, size_t b) {
  const PlanLinks& links = problem.links;
  if (!same_numbers(problem.devices[a], problem.devices[b]) ||
      !same(links.from_host[a], links.from_host[b]) || !same(links.to_host[a], links.to_host[b]) ||
      !same(links.between[a][b], links.between[b][a]))
    return false;
  for (size_t other = 0; other < problem.devices.size(); ++other) {
    if (other == a || other == b) continue;
    if (!same(links.between[a][other], links.between[b][other]) ||
        !same(links.between[other][a], links.between[other][b]))
      return false;
  }
  return true;
}

}  // namespace

std::vector<DeviceClass> group_devices(const PlanProblem& problem) {
  std::vector<DeviceClass> classes;
  for (size_t d = 0; d < problem.devices.size(); ++d) {
    bool placed = false;
    for (DeviceClass& c : classes) {
      if (placed || !interchangeable(problem, static_cast<size_t>(c.members.front()), d)) continue;
      c.members.push_back(static_cast<int>(d));
      placed = true;
    }
    if (!placed) classes.push_back({.members = {static_cast<int>(d)}});
  }
  uint64_t states = 1;
  for (const DeviceClass& c : classes) {
    states *= c.members.size() + 1;
    if (states > kMaxStates)
      throw UsageError(
          {.where = "plan",
           .what = "devices",
           .expected = "at most 16 different ones (equal ones count little)",
           .found = fmt::format("{} kinds among {}", classes.size(), problem.devices.size())});
  }
  return classes;
}

UsedDevices::UsedDevices(const std::vector<DeviceClass>& classes) {
  for (const DeviceClass& c : classes) {
    sizes_.push_back(static_cast<int>(c.members.size()));
    strides_.push_back(states_);
    states_ *= static_cast<uint32_t>(c.members.size()) + 1;
  }
}

}  // namespace tessera
