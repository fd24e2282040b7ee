#include "plan/planner.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/plan/brute_force.h"
#include "tests/plan/random_problem.h"

namespace tessera {
namespace {

// Random instances a test: TESSERA_PLAN_INSTANCES, else 20000 in optimised builds (under 20 s) and
// 400 in the others, where sanitizers or assertions make each of them ten times dearer.
int instances() {
  if (const char* text = std::getenv("TESSERA_PLAN_INSTANCES")) return std::stoi(text);
#ifdef NDEBUG
  return 20000;
#else
  return 400;
#endif
}

std::string compare(const Plan& plan, const BruteForce& best) {
  const auto differ = [](const char* what, auto got, auto want) {
    return got == want ? std::string()
                       : std::string(what) + ": got " + std::to_string(got) + ", want " +
                             std::to_string(want) + "; ";
  };
  std::string text = differ("fits", plan.fits, best.fits);
  if (!plan.fits || !best.fits) return text;
  const Certificate& c = plan.certificate;
  text += differ("optimum", c.optimum_ns, best.optimum_ns);
  text += differ("bottleneck", c.bottleneck_ns, best.bottleneck_ns);
  text += differ("value", c.value_ns, best.value_ns);
  text += differ("KV blocks", c.kv_blocks, best.kv_blocks);
  text += differ("loss", c.loss, best.loss);
  text += differ("exact", c.exact && c.room_exact && c.loss_exact, true);
  return text;
}

class AgainstBruteForce : public testing::TestWithParam<Objective> {};

TEST_P(AgainstBruteForce, HasTheOptimumOfEveryRandomInstance) {
  int fitting = 0;
  const int count = instances();
  for (int seed = 0; seed < count; ++seed) {
    const PlanProblem problem = random_problem(static_cast<uint32_t>(seed));
    const BruteForce best = brute_force(problem, GetParam());
    fitting += best.fits;
    ASSERT_EQ(compare(make_plan(problem, GetParam()), best), "") << "seed " << seed;
  }
  EXPECT_GT(fitting, count / 3);
  EXPECT_LT(fitting, count);
}

TEST_P(AgainstBruteForce, HasTheLeastLossWhenPrecisionsMustFall) {
  int lowered = 0, not_fitting = 0;
  const int count = instances() / 8;  // each tries up to 486 profiles
  for (int seed = 0; seed < count; ++seed) {
    const PlanProblem problem = random_problem(
        static_cast<uint32_t>(seed), {.max_layers = 5, .max_devices = 3, .mixed_precision = true});
    const BruteForce best = brute_force(problem, GetParam());
    lowered += best.fits && best.loss > 0;
    not_fitting += !best.fits;
    ASSERT_EQ(compare(make_plan(problem, GetParam()), best), "") << "seed " << seed;
  }
  EXPECT_GT(lowered, count / 6);
  EXPECT_GT(not_fitting, 0);
}

INSTANTIATE_TEST_SUITE_P(Objectives, AgainstBruteForce,
                         testing::Values(Objective::kLatency, Objective::kThroughput,
                                         Objective::kContext),
                         [](const auto& test) { return std::string(objective_name(test.param)); });

}  // namespace
}  // namespace tessera
