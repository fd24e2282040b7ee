#include "plan/why_not.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/memory_model.h"
#include "plan/optimise.h"
#include "plan/reach_search.h"

namespace tessera {
namespace {

constexpr int kMaxMoreDevices = 16;
constexpr uint64_t kResolutionBytes = kMiB;

bool fits(const PlanProblem& problem, const Profile& profile) {
  const Instance instance(problem, group_devices(problem), profile, kv_blocks_of(problem.workload),
                          Goal::kBottleneck);
  return find_split(instance, kNever).has_value();
}

bool all_layers_have(const PlanProblem& problem, Precision precision) {
  return std::all_of(problem.layers.begin(), problem.layers.end(),
                     [&](const PlanUnit& layer) { return layer.costs.contains(precision); });
}

PlanProblem with_more_memory(PlanProblem problem, uint64_t bytes_each) {
  for (PlanDevice& device : problem.devices) device.budget_bytes += bytes_each;
  return problem;
}

// Spread evenly over the devices, to a mebibyte.
uint64_t missing_bytes(const PlanProblem& problem, const Profile& profile) {
  uint64_t low = 0, high = kResolutionBytes;
  while (high < (uint64_t{1} << 45) && !fits(with_more_memory(problem, high), profile)) {
    low = high;
    high *= 2;
  }
  while (high - low > kResolutionBytes) {
    const uint64_t middle = low + (high - low) / 2;
    (fits(with_more_memory(problem, middle), profile) ? high : low) = middle;
  }
  return high * problem.devices.size();
}

void add_copy(PlanProblem& problem, size_t device) {
  PlanLinks& links = problem.links;
  const size_t other = device == 0 && problem.devices.size() > 1 ? 1 : 0;
  const PlanLink sibling = other == device ? links.to_host[device] : links.between[device][other];
  problem.devices.push_back(problem.devices[device]);
  for (auto& row : links.between) row.push_back(row[device]);
  links.between.push_back(links.between[device]);
  links.between[device].back() = links.between.back()[device] = sibling;
  links.from_host.push_back(links.from_host[device]);
  links.to_host.push_back(links.to_host[device]);
}

int more_devices(PlanProblem problem, const Profile& profile) {
  const auto largest = std::max_element(
      problem.devices.begin(), problem.devices.end(),
      [](const PlanDevice& a, const PlanDevice& b) { return a.budget_bytes < b.budget_bytes; });
  const auto device = static_cast<size_t>(largest - problem.devices.begin());
  if (UsedDevices(group_devices(problem)).states() > (1U << 12)) return 0;
  for (int n = 1; n <= kMaxMoreDevices && problem.devices.size() < kMaxPlanDevices; ++n) {
    add_copy(problem, device);
    if (fits(problem, profile)) return n;
  }
  return 0;
}

std::string in_words(const PlanProblem& problem, const WhyNot& why) {
  std::string text =
      fmt::format("does not fit in {} at {} tokens x {}: {} more memory is needed on {} device{}",
                  precision_name(why.precision), problem.workload.context,
                  problem.workload.sequences, format_bytes(why.missing_bytes),
                  problem.devices.size(), problem.devices.size() == 1 ? "" : "s");
  std::vector<std::string> offers;
  if (why.precision_that_fits)
    offers.push_back(fmt::format("precision {}", precision_name(*why.precision_that_fits)));
  if (why.largest_context > 0)
    offers.push_back(fmt::format("a context of {} tokens", why.largest_context));
  if (why.more_devices > 0)
    offers.push_back(fmt::format("{} more device{} like the largest", why.more_devices,
                                 why.more_devices == 1 ? "" : "s"));
  for (size_t i = 0; i < offers.size(); ++i)
    text += (i == 0 ? "; what would fit: " : i + 1 == offers.size() ? ", or " : ", ") + offers[i];
  return text;
}

}  // namespace

WhyNot explain_why_not(const PlanProblem& problem, Precision precision) {
  const Profile profile = uniform_profile(problem, precision);
  WhyNot why = {.precision = precision};
  why.missing_bytes = missing_bytes(problem, profile);
  const int64_t blocks = largest_kv_blocks(problem, group_devices(problem), profile);
  why.largest_context =
      std::min(blocks / problem.workload.sequences * kKvBlockTokens, problem.workload.context);
  for (const Precision lower : kPrecisions)
    if (lower > precision && !why.precision_that_fits && all_layers_have(problem, lower) &&
        fits(problem, uniform_profile(problem, lower)))
      why.precision_that_fits = lower;
  why.more_devices = more_devices(problem, profile);
  why.text = in_words(problem, why);
  return why;
}

}  // namespace tessera
