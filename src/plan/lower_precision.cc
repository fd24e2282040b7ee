#include "plan/lower_precision.h"

#include <algorithm>

#include "plan/mixed_stages.h"
#include "plan/remainder_bound.h"
#include "plan/split_search.h"

namespace tessera {
namespace {

constexpr size_t kBeam = 64;
// A few seconds of search: with many different devices the proof would take minutes.
constexpr size_t kMaxLabels = 12'000'000;

// Beam first, then exact search below what the beam found.
SearchResult least_loss(const MixedStages& stages, int64_t cap) {
  const int64_t floor = peak_floor(stages.frame());
  if (floor > cap) return {};
  SearchLimits limits = {
      .cap = cap, .floor = floor, .loss_at_most = kNever, .beam = kBeam, .max_labels = kMaxLabels};
  std::optional<Split> good = search_splits(stages, limits).best;
  limits.beam = 0;
  if (good) {
    limits.loss_at_most = good->loss;
    limits.value_below = good->value;
  }
  SearchResult exact = search_splits(stages, limits);
  if (!exact.best) exact.best = good;
  return exact;
}

// When the search was cut off: the highest precision that fits everywhere.
std::optional<MixedOptimum> uniform(const PlanProblem& problem,
                                    const std::vector<DeviceClass>& classes, int64_t kv_blocks,
                                    Objective objective) {
  std::vector<Precision> precisions = problem.precisions;
  std::sort(precisions.begin(), precisions.end());
  for (const Precision precision : precisions) {
    const Profile profile = uniform_profile(problem, precision);
    if (auto optimum = optimise(problem, classes, profile, kv_blocks, objective))
      return MixedOptimum{.optimum = *optimum, .profile = profile, .loss_exact = false};
  }
  return std::nullopt;
}

}  // namespace

std::optional<MixedOptimum> optimise_precisions(const PlanProblem& problem,
                                                const std::vector<DeviceClass>& classes,
                                                int64_t kv_blocks, Objective objective) {
  MixedOptimum mixed;
  int64_t cap = kNever;
  Goal goal = Goal::kAnswer;
  bool complete = true;
  if (objective == Objective::kThroughput) {
    const MixedStages stages(problem, classes, kv_blocks, Goal::kBottleneck);
    const SearchResult slowest = least_loss(stages, kNever);
    if (!slowest.best && slowest.complete) return std::nullopt;
    if (!slowest.best) return uniform(problem, classes, kv_blocks, objective);
    complete = slowest.complete;
    mixed.optimum.bottleneck_ns = slowest.best->peak;
    cap = with_slack(slowest.best->peak);
    goal = Goal::kStep;
  }
  const MixedStages stages(problem, classes, kv_blocks, goal);
  const SearchResult found = least_loss(stages, cap);
  if (!found.best && found.complete) return std::nullopt;
  if (!found.best) return uniform(problem, classes, kv_blocks, objective);
  complete = complete && found.complete;
  mixed.optimum.split = *found.best;
  mixed.optimum.optimum_ns = found.best->value;
  mixed.optimum.kv_blocks = kv_blocks;
  mixed.optimum.exact = mixed.loss_exact = complete;
  mixed.profile = stages.profile_of(*found.best);
  return mixed;
}

}  // namespace tessera
