#include "plan/certificate_checker.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "base/units.h"
#include "plan/certificate_replay.h"
#include "plan/loss_replay.h"
#include "plan/memory_model.h"
#include "plan/planner.h"
#include "tests/plan/brute_force.h"
#include "tests/plan/random_problem.h"
#include "tests/plan/yi_34b.h"

namespace tessera {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

#ifdef NDEBUG
constexpr uint32_t kInstances = 600;
#else
constexpr uint32_t kInstances = 60;
#endif

constexpr RandomShape kMixed = {.max_layers = 5, .max_devices = 3, .mixed_precision = true};

class CheckPlan : public testing::TestWithParam<Objective> {};

TEST_P(CheckPlan, AcceptsThePlanOfEveryRandomInstance) {
  uint32_t fitting = 0;
  for (uint32_t seed = 0; seed < kInstances; ++seed) {
    const PlanProblem problem = random_problem(seed);
    const Plan plan = make_plan(problem, GetParam());
    fitting += plan.fits;
    ASSERT_THAT(check_plan(problem, plan), IsEmpty()) << "seed " << seed;
  }
  EXPECT_GT(fitting, kInstances / 3);
  EXPECT_LT(fitting, kInstances);
}

TEST_P(CheckPlan, AcceptsPlansWithLoweredPrecisions) {
  uint32_t lowered = 0;
  for (uint32_t seed = 0; seed < kInstances / 3; ++seed) {
    const PlanProblem problem = random_problem(seed, kMixed);
    const Plan plan = make_plan(problem, GetParam());
    lowered += plan.fits && plan.certificate.loss > 0;
    ASSERT_THAT(check_plan(problem, plan), IsEmpty()) << "seed " << seed;
  }
  EXPECT_GT(lowered, kInstances / 30);
}

// What a wrong or dishonest planner could write. Each returns false where it does not apply.
struct Tampering {
  std::string name;
  std::function<bool(const PlanProblem&, Plan&)> apply;
};

template <typename Member>
Tampering add(const std::string& name, Member member, int amount) {
  return {name, [=](const PlanProblem&, Plan& plan) {
            auto& value = member(plan);
            value += static_cast<std::remove_reference_t<decltype(value)>>(amount);
            return true;
          }};
}

template <typename Member>
Tampering longer(const std::string& name, Member member) {
  return {name, [=](const PlanProblem&, Plan& plan) {
            double& seconds = member(plan);
            seconds = seconds * 1.00001 + 1e-12;
            return true;
          }};
}

bool move_cut(const PlanProblem& problem, Plan& plan) {
  if (plan.stages.size() < 2 || plan.stages[1].layer_count() < 2) return false;
  PlanStage &before = plan.stages[0], &behind = plan.stages[1];
  before.precisions.push_back(behind.precisions.front());
  behind.precisions.erase(behind.precisions.begin());
  ++before.last_layer;
  ++behind.first_layer;
  // Bytes made to agree with the new cut: times and value tell.
  const int64_t blocks = plan.kv_tokens / kKvBlockTokens;
  for (PlanStage* stage : {&before, &behind})
    stage->bytes = device_bytes(problem, problem.devices[static_cast<size_t>(stage->device)],
                                {.layers = true,
                                 .head = stage->head,
                                 .vision = stage->vision,
                                 .embedding = stage->embedding},
                                stage->first_layer, stage->precisions, plan.head_precision, blocks);
  return true;
}

bool swap_devices(const PlanProblem&, Plan& plan) {
  if (plan.stages.size() < 2 || plan.stages[0].budget_bytes == plan.stages[1].budget_bytes)
    return false;
  std::swap(plan.stages[0].device, plan.stages[1].device);
  std::swap(plan.stages[0].device_name, plan.stages[1].device_name);
  std::swap(plan.stages[0].budget_bytes, plan.stages[1].budget_bytes);
  return true;
}

bool use_a_device_twice(const PlanProblem&, Plan& plan) {
  if (plan.stages.size() < 2) return false;
  plan.stages[1].device = plan.stages[0].device;
  plan.stages[1].device_name = plan.stages[0].device_name;
  return true;
}

std::vector<Tampering> tamperings() {
  return {
      {"cut moved", move_cut},
      {"devices swapped", swap_devices},
      {"device used twice", use_a_device_twice},
      {"stage dropped",
       [](const PlanProblem&, Plan& plan) {
         plan.stages.pop_back();
         return true;
       }},
      {"precision of a layer",
       [](const PlanProblem&, Plan& plan) {
         plan.stages[0].precisions[0] = Precision::kInt4;
         return true;
       }},
      {"precision of the head",
       [](const PlanProblem&, Plan& plan) {
         plan.head_precision = Precision::kInt4;
         return true;
       }},
      {"does not fit",
       [](const PlanProblem&, Plan& plan) {
         plan.fits = false;
         plan.stages.clear();
         plan.side_devices.clear();
         return true;
       }},
      {"head elsewhere",
       [](const PlanProblem&, Plan& plan) {
         plan.stages.back().head = false;
         return true;
       }},
      {"vision tower twice, or nowhere",
       [](const PlanProblem&, Plan& plan) {
         plan.stages[0].vision = !plan.stages[0].vision;
         return true;
       }},
      {"device name",
       [](const PlanProblem&, Plan& plan) {
         plan.stages[0].device_name += "x";
         return true;
       }},
      add(
          "device", [](Plan & p) -> auto& { return p.stages[0].device; }, 100),
      add(
          "first layer", [](Plan & p) -> auto& { return p.stages[0].first_layer; }, 1),
      add(
          "last layer", [](Plan & p) -> auto& { return p.stages.back().last_layer; }, 1),
      add(
          "vision device", [](Plan & p) -> auto& { return p.vision_device; }, 1),
      add(
          "embedding device", [](Plan & p) -> auto& { return p.embedding_device; }, 1),
      add(
          "context", [](Plan & p) -> auto& { return p.context; }, 1),
      add(
          "sequences", [](Plan & p) -> auto& { return p.sequences; }, 1),
      {"keys and values",
       [](const PlanProblem&, Plan& plan) {
         plan.kv = KvFormat::kInt8;
         return true;
       }},
      add(
          "KV tokens", [](Plan & p) -> auto& { return p.kv_tokens; }, 16),
      add(
          "KV room, more", [](Plan & p) -> auto& { return p.kv_room_tokens; }, 16),
      add(
          "KV room, less", [](Plan & p) -> auto& { return p.kv_room_tokens; }, -16),
      add(
          "budget", [](Plan & p) -> auto& { return p.stages[0].budget_bytes; }, 1),
      add(
          "weights", [](Plan & p) -> auto& { return p.stages[0].bytes.weights; }, -1),
      add(
          "vision bytes", [](Plan & p) -> auto& { return p.stages[0].bytes.vision; }, 1),
      add(
          "embedding bytes", [](Plan & p) -> auto& { return p.stages[0].bytes.embedding; }, 1),
      add(
          "head bytes", [](Plan & p) -> auto& { return p.stages[0].bytes.head; }, 1),
      add(
          "KV bytes", [](Plan & p) -> auto& { return p.stages[0].bytes.kv; }, 1),
      add(
          "arena", [](Plan & p) -> auto& { return p.stages[0].bytes.arena; }, 1),
      add(
          "fixed bytes", [](Plan & p) -> auto& { return p.stages[0].bytes.fixed; }, 1),
      longer(
          "decode time", [](Plan & p) -> auto& { return p.stages[0].decode_s; }),
      longer(
          "link time", [](Plan & p) -> auto& { return p.stages[0].link_s; }),
      longer(
          "chunk time", [](Plan & p) -> auto& { return p.stages[0].prefill_chunk_s; }),
      longer(
          "chunk's link", [](Plan & p) -> auto& { return p.stages[0].prefill_link_s; }),
      longer(
          "picture time", [](Plan & p) -> auto& { return p.stages[0].vision_s; }),
      longer(
          "predicted step", [](Plan & p) -> auto& { return p.predicted.decode_s_per_token; }),
      longer(
          "predicted slowest", [](Plan & p) -> auto& { return p.predicted.bottleneck_s; }),
      longer(
          "predicted prefill", [](Plan & p) -> auto& { return p.predicted.prefill_s; }),
      longer(
          "predicted pictures", [](Plan & p) -> auto& { return p.predicted.vision_s; }),
      longer(
          "predicted answer", [](Plan & p) -> auto& { return p.predicted.answer_s; }),
      longer(
          "predicted rate", [](Plan & p) -> auto& { return p.predicted.tokens_per_s; }),
      add(
          "bound", [](Plan & p) -> auto& { return p.bound.objective_s; }, 1),
      add(
          "memory", [](Plan & p) -> auto& { return p.bound.available_bytes; }, 1),
      add(
          "value, higher", [](Plan & p) -> auto& { return p.certificate.value_ns; }, 1),
      add(
          "value, lower", [](Plan & p) -> auto& { return p.certificate.value_ns; }, -1),
      add(
          "optimum, higher", [](Plan & p) -> auto& { return p.certificate.optimum_ns; }, 1),
      add(
          "optimum, lower", [](Plan & p) -> auto& { return p.certificate.optimum_ns; }, -1),
      add(
          "slowest, higher", [](Plan & p) -> auto& { return p.certificate.bottleneck_ns; }, 1),
      add(
          "slowest, lower", [](Plan & p) -> auto& { return p.certificate.bottleneck_ns; }, -1),
      add(
          "loss", [](Plan & p) -> auto& { return p.certificate.loss; }, 1),
      add(
          "KV blocks, more", [](Plan & p) -> auto& { return p.certificate.kv_blocks; }, 1),
      add(
          "KV blocks, fewer", [](Plan & p) -> auto& { return p.certificate.kv_blocks; }, -1),
  };
}

TEST_P(CheckPlan, RejectsEachFieldThatIsNotTheProblems) {
  for (const Tampering& tampering : tamperings()) {
    int applied = 0;
    for (uint32_t seed = 0; seed < 40; ++seed) {
      const PlanProblem problem = random_problem(seed);
      Plan plan = make_plan(problem, GetParam());
      // No claim is made about the room where any number of blocks fits.
      if (!plan.fits || plan.certificate.kv_blocks > 1'000'000) continue;
      if (!tampering.apply(problem, plan)) continue;
      ++applied;
      EXPECT_THAT(check_plan(problem, plan), Not(IsEmpty())) << tampering.name << ", seed " << seed;
    }
    EXPECT_GT(applied, 0) << tampering.name;
  }
}

// A plan for the most room passes for the quickest one: all its figures are right, only it is not
// the best.
TEST(CheckPlanHonestly, RejectsAPlanWhoseOnlyFaultIsThatABetterOneExists) {
  int rejected = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const PlanProblem problem = random_problem(seed);
    const Plan quickest = make_plan(problem, Objective::kLatency);
    Plan plan = make_plan(problem, Objective::kContext);
    if (!plan.fits || plan.certificate.value_ns == quickest.certificate.optimum_ns) continue;
    plan.objective = Objective::kLatency;
    plan.context = problem.workload.context;
    plan.kv_tokens = quickest.kv_tokens;
    for (PlanStage& stage : plan.stages)
      stage.bytes = device_bytes(problem, problem.devices[static_cast<size_t>(stage.device)],
                                 {.layers = true,
                                  .head = stage.head,
                                  .vision = stage.vision,
                                  .embedding = stage.embedding},
                                 stage.first_layer, stage.precisions, plan.head_precision,
                                 plan.kv_tokens / kKvBlockTokens);
    plan.bound = quickest.bound;
    const std::vector<std::string> wrong = check_plan(problem, plan);
    EXPECT_THAT(wrong, Contains(HasSubstr("is possible, below"))) << "seed " << seed;
    for (const std::string& line : wrong) EXPECT_THAT(line, HasSubstr("optimality: "));
    ++rejected;
  }
  EXPECT_GT(rejected, 20);
}

// One layer is kept from the precision it has in the best plan. All else of the plan that is left
// is the best there is, and true: only the loss is needlessly high.
TEST(CheckPlanHonestly, RejectsALayerThatIsNeedlesslyLow) {
  int rejected = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const PlanProblem problem = random_problem(seed, kMixed);
    const Plan best = make_plan(problem, Objective::kLatency);
    if (!best.fits || best.certificate.loss == 0) continue;
    PlanProblem worse = problem;
    worse.layers[0].costs.erase(best.stages[0].precisions[0]);
    if (worse.layers[0].costs.empty() || !worse.layers[0].costs.contains(Precision::kInt4))
      continue;
    const Plan plan = make_plan(worse, Objective::kLatency);
    if (!plan.fits || plan.certificate.loss <= best.certificate.loss) continue;
    EXPECT_THAT(check_plan(problem, plan),
                testing::ElementsAre(
                    HasSubstr("is possible, below " + std::to_string(plan.certificate.loss))))
        << "seed " << seed;
    ++rejected;
  }
  EXPECT_GT(rejected, 20);
}

TEST(CheckPlanHonestly, RejectsOnePrecisionForAllWhereMixedOnesLoseLess) {
  PlanProblem problem = yi_34b({rtx_3090(0)});
  problem.devices[0].budget_bytes = 37000 * kMiB;
  problem.precisions = {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5,
                        Precision::kInt4};
  const Plan best = make_plan(problem, Objective::kLatency);
  EXPECT_THAT(check_plan(problem, best), IsEmpty());

  PlanProblem uniform = problem;
  uniform.precisions = {Precision::kInt8, Precision::kInt4};  // the best of these: int8 for all
  const Plan plan = make_plan(uniform, Objective::kLatency);
  ASSERT_TRUE(plan.fits);
  EXPECT_THAT(check_plan(problem, plan), testing::ElementsAre(HasSubstr("is possible, below")));
}

TEST(CheckPlanHonestly, SaysThatItDidNotReplayManyDevices) {
  PlanProblem problem;
  for (uint32_t seed = 0; !make_plan(problem = random_problem(seed), Objective::kLatency).fits;)
    ++seed;
  const PlanLink link = {.bytes_per_s = 1e9};
  problem.devices.resize(9, problem.devices.front());
  problem.links.between.assign(9, std::vector<PlanLink>(9, link));
  problem.links.from_host.assign(9, link);
  problem.links.to_host.assign(9, link);
  const Plan plan = make_plan(problem, Objective::kLatency);
  ASSERT_TRUE(plan.fits);
  EXPECT_THAT(check_plan(problem, plan), testing::ElementsAre(HasSubstr("not replayed")));
}

TEST(LeastValue, IsThatOfTryingEveryPlan) {
  for (uint32_t seed = 0; seed < kInstances; ++seed) {
    const PlanProblem problem = random_problem(seed);
    const std::vector<Precision> layers(problem.layers.size(), Precision::kBF16);
    const SplitCosts costs(problem, layers, Precision::kBF16, answer_weights(problem.workload), 1);
    const int64_t least =
        least_value(problem, layers, Precision::kBF16, costs, kv_blocks_of(problem.workload));
    const BruteForce best = brute_force(problem, Objective::kLatency);
    ASSERT_EQ(least, best.fits ? best.optimum_ns : kNoSplit) << "seed " << seed;
  }
}

TEST(LossBelow, IsTheLeastLossOfAnyPlan) {
  constexpr int64_t kAny = 100'000'000;
  int fitting = 0;
  for (uint32_t seed = 0; seed < kInstances; ++seed) {
    const PlanProblem problem = random_problem(seed, kMixed);
    const int64_t blocks = kv_blocks_of(problem.workload);
    const Plan best = make_plan(problem, Objective::kLatency);  // judged by brute force elsewhere
    if (!best.fits) {
      ASSERT_EQ(loss_below(problem, blocks, kNoSplit, kAny).below, kNoSplit) << "seed " << seed;
      continue;
    }
    ++fitting;
    const int64_t least = best.certificate.loss;
    ASSERT_LE(least_loss_bound(problem, blocks), least) << "seed " << seed;
    ASSERT_EQ(loss_below(problem, blocks, least, kAny).below, kNoSplit) << "seed " << seed;
    ASSERT_EQ(loss_below(problem, blocks, least + 1, kAny).below, least) << "seed " << seed;
    ASSERT_TRUE(loss_below(problem, blocks, least + 1, kAny).complete) << "seed " << seed;
  }
  EXPECT_GT(fitting, kInstances / 3);
}

TEST(LossBelow, SaysThatItGaveUp) {
  PlanProblem problem = random_problem(0, kMixed);
  for (uint32_t seed = 1; !make_plan(problem, Objective::kLatency).fits; ++seed)
    problem = random_problem(seed, kMixed);
  const LossReplay found = loss_below(problem, kv_blocks_of(problem.workload), kNoSplit, 1);
  EXPECT_FALSE(found.complete);
  EXPECT_EQ(found.below, kNoSplit);
}

INSTANTIATE_TEST_SUITE_P(Objectives, CheckPlan,
                         testing::Values(Objective::kLatency, Objective::kThroughput,
                                         Objective::kContext),
                         [](const auto& test) { return std::string(objective_name(test.param)); });

}  // namespace
}  // namespace tessera
