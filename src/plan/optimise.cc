#include "plan/optimise.h"

#include <algorithm>

#include "plan/memory_model.h"
#include "plan/minimise.h"
#include "plan/plan_builder.h"
#include "plan/reach_search.h"

namespace tessera {
namespace {

// Above this many (set, class) pairs the room is not searched for: each probe is a whole search.
constexpr size_t kMaxPairsForRoom = 4096;

// Whatever the plan: no more blocks than the memory beside the weights could hold in one piece.
int64_t block_limit(const PlanProblem& problem, const Profile& profile) {
  int64_t bytes = -static_cast<int64_t>(problem.head.costs.at(profile.head).weight_bytes);
  int64_t bytes_per_block = 0;
  for (const PlanDevice& device : problem.devices)
    bytes += static_cast<int64_t>(device.budget_bytes);
  for (size_t u = 0; u < problem.layers.size(); ++u) {
    const PlanUnit& layer = problem.layers[u];
    bytes -= static_cast<int64_t>(layer.costs.at(profile.layers[u]).weight_bytes);
    bytes_per_block += static_cast<int64_t>(layer.kv_bytes_per_token) * kKvBlockTokens;
  }
  // Without a KV cache any number fits; stop at a number that prints.
  const int64_t most = int64_t{1} << 32;
  return bytes_per_block == 0 ? most : std::clamp<int64_t>(bytes / bytes_per_block, 0, most);
}

// The largest number in [low, high] that can be reached: probe(n) is the most that a plan found for
// n reaches (at least n), or -1 when there is none; low is known to be reached.
template <typename Probe>
int64_t largest(int64_t low, int64_t high, const Probe& probe) {
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    const int64_t reached = probe(middle);
    if (reached < 0) {
      high = middle - 1;
    } else {
      low = std::min(high, reached);
    }
  }
  return low;
}

class Optimiser {
 public:
  Optimiser(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
            const Profile& profile)
      : problem_(problem), classes_(classes), profile_(profile) {}

  bool fits(int64_t kv_blocks) const {
    return find_split(compile(kv_blocks, Goal::kBottleneck), kNever).has_value();
  }

  int64_t most_blocks(int64_t known_to_fit) const {
    return largest(known_to_fit, std::max(known_to_fit, block_limit(problem_, profile_)),
                   [&](int64_t blocks) {
                     const auto split = find_split(compile(blocks, Goal::kBottleneck), kNever);
                     return split ? room_of(*split, blocks) : -1;
                   });
  }

  std::optional<Optimum> latency(int64_t kv_blocks) const {
    return within_slack(kv_blocks, Goal::kAnswer, kNever);
  }

  std::optional<Optimum> throughput(int64_t kv_blocks) const {
    const auto slowest = minimise_peak(compile(kv_blocks, Goal::kBottleneck));
    if (!slowest) return std::nullopt;
    auto optimum = within_slack(kv_blocks, Goal::kStep, with_slack(slowest->peak));
    if (!optimum) {  // the search was cut off before it found one: the split of the first aim
      optimum = Optimum{.split = *slowest, .kv_blocks = kv_blocks, .exact = false};
      evaluate(compile(kv_blocks, Goal::kStep), optimum->split);
    }
    optimum->bottleneck_ns = slowest->peak;
    return optimum;
  }

  std::optional<Optimum> context(int64_t kv_blocks) const {
    if (!fits(kv_blocks)) return std::nullopt;
    const int64_t most = most_blocks(kv_blocks);
    return best(most, Goal::kAnswer, kNever);
  }

 private:
  Instance compile(int64_t kv_blocks, Goal goal) const {
    return {problem_, classes_, profile_, kv_blocks, goal};
  }

  // The most blocks that a split found for `blocks` has room for.
  int64_t room_of(const Split& split, int64_t blocks) const {
    return build_plan(problem_, classes_, profile_, split, blocks, Objective::kContext)
               .kv_room_tokens /
           kKvBlockTokens;
  }

  std::optional<Optimum> best(int64_t kv_blocks, Goal goal, int64_t cap) const {
    const Instance instance = compile(kv_blocks, goal);
    const Minimum minimum = minimise(instance, cap);
    if (!minimum.best) return fallback(instance, cap, minimum, kv_blocks);
    return Optimum{.split = *minimum.best,
                   .optimum_ns = minimum.complete ? minimum.best->value : minimum.lower_bound,
                   .kv_blocks = kv_blocks,
                   .exact = minimum.complete};
  }

  // A beam can miss what fits barely; the reachable sets cannot.
  static std::optional<Optimum> fallback(const Instance& instance, int64_t cap,
                                         const Minimum& minimum, int64_t kv_blocks) {
    if (minimum.complete) return std::nullopt;
    auto split = find_split(instance, cap);
    if (!split) return std::nullopt;
    evaluate(instance, *split);
    return Optimum{.split = *split,
                   .optimum_ns = std::min(minimum.lower_bound, split->value),
                   .kv_blocks = kv_blocks,
                   .exact = false};
  }

  std::optional<Optimum> within_slack(int64_t kv_blocks, Goal goal, int64_t cap) const {
    std::optional<Optimum> optimum = best(kv_blocks, goal, cap);
    if (!optimum) return optimum;
    const UsedDevices used(classes_);
    if (used.states() * classes_.size() > kMaxPairsForRoom) {
      optimum->room_exact = false;
      return optimum;
    }
    const int64_t below = with_slack(optimum->split.value) + 1;
    bool complete = true;
    const int64_t most = largest(kv_blocks, most_blocks(kv_blocks), [&](int64_t blocks) {
      const Minimum found = minimise(compile(blocks, goal), cap, below, /*any=*/true);
      complete = complete && (found.best || found.complete);
      return found.best ? room_of(*found.best, blocks) : -1;
    });
    if (most > kv_blocks) {
      const Minimum roomy = minimise(compile(most, goal), cap, below);
      optimum->split = *roomy.best;
      complete = complete && roomy.complete;
    }
    optimum->kv_blocks = most;
    optimum->room_exact = complete;
    return optimum;
  }

  const PlanProblem& problem_;
  const std::vector<DeviceClass>& classes_;
  const Profile& profile_;
};

}  // namespace

std::optional<Optimum> optimise(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                                const Profile& profile, int64_t kv_blocks, Objective objective) {
  const Optimiser optimiser(problem, classes, profile);
  switch (objective) {
    case Objective::kLatency:
      return optimiser.latency(kv_blocks);
    case Objective::kThroughput:
      return optimiser.throughput(kv_blocks);
    case Objective::kContext:
      return optimiser.context(kv_blocks);
  }
  return std::nullopt;
}

int64_t largest_kv_blocks(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                          const Profile& profile) {
  const Optimiser optimiser(problem, classes, profile);
  return optimiser.fits(1) ? optimiser.most_blocks(1) : 0;
}

}  // namespace tessera
