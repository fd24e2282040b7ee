#include "plan/plan_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <limits>

#include "base/file.h"
#include "plan/certificate_checker.h"
#include "plan/layout_checker.h"
#include "plan/planner.h"
#include "tests/fuzz/plan_problem.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// The seeds of the fuzz target are plans that hold, so that the fuzzer starts behind every check.
// TESSERA_WRITE_SEEDS=1 writes them anew.
TEST(PlanFile, TheFuzzersSeedsHold) {
  for (const bool tight : {false, true})
    for (const Objective objective :
         {Objective::kLatency, Objective::kThroughput, Objective::kContext}) {
      const PlanProblem problem = fuzz_problem(tight);
      const std::string file = std::string(TESSERA_FUZZ_CORPUS_DIR) + "/plan_json/" +
                               (tight ? "tight_" : "roomy_") +
                               std::string(objective_name(objective)) + ".json";
      if (std::getenv("TESSERA_WRITE_SEEDS") != nullptr)
        write_file_atomic(file, plan_to_text(make_plan(problem, objective)));
      const Plan plan = read_plan_file(file);
      EXPECT_EQ(plan.objective, objective);
      EXPECT_EQ(plan.certificate.loss > 0, tight);
      EXPECT_THAT(check_plan(problem, plan), IsEmpty()) << file;
    }
}

std::string refusal(const std::function<void(Plan&)>& change) {
  const PlanProblem problem = fuzz_problem(false);
  Plan plan = make_plan(problem, Objective::kLatency);
  change(plan);
  return error_of([&] { require_usable(plan, problem, "plan.json"); });
}

PlanStage& front(Plan& plan) {
  return plan.stages.front();
}

TEST(PlanFile, TakesWhateverCanBeLaidOut) {
  EXPECT_EQ(refusal([](Plan&) {}), "no error");
  EXPECT_EQ(refusal([](Plan& plan) {
              plan.certificate = {};
              plan.predicted = {};
              front(plan).decode_s = 1e9;
              front(plan).budget_bytes = 1;
              front(plan).device_name = "another machine's";
            }),
            "no error");
}

TEST(PlanFile, RefusesWhatCannot) {
  EXPECT_THAT(refusal([](Plan& plan) { plan.fits = false; }), HasSubstr("a plan that fits"));
  EXPECT_THAT(
      refusal([](Plan& plan) { plan.context = 80; }),
      AllOf(HasSubstr("plan.json: context: expected 64, found 80"), HasSubstr("--context")));
  EXPECT_THAT(refusal([](Plan& plan) { plan.sequences = 3; }), HasSubstr("sequences"));
  EXPECT_THAT(refusal([](Plan& plan) { plan.kv = KvFormat::kInt8; }),
              AllOf(HasSubstr("plan.json: keys and values: expected bf16, found int8"),
                    HasSubstr("--kv int8")));
  EXPECT_THAT(refusal([](Plan& plan) { plan.stages.clear(); }), HasSubstr("stages: none"));
  EXPECT_THAT(refusal([](Plan& plan) { front(plan).device = 3; }), HasSubstr("no device 3"));
  EXPECT_THAT(refusal([](Plan& plan) { front(plan).last_layer = 99; }),
              HasSubstr("layers 0 to 99"));
  EXPECT_THAT(refusal([](Plan& plan) { plan.stages.back().head = false; }), HasSubstr("head"));
  EXPECT_THAT(refusal([](Plan& plan) { plan.head_precision = Precision::kInt4; }),
              HasSubstr("int4 is not one of the precisions allowed"));
  EXPECT_THAT(refusal([](Plan& plan) { ++front(plan).bytes.kv; }), HasSubstr("bytes of KV"));
  EXPECT_THAT(refusal([](Plan& plan) { front(plan).device = plan.stages.back().device; }),
              HasSubstr("used twice"));
}

// Layers of a device without layers once indexed past the end of the model's.
TEST(PlanFile, RefusesASideDeviceWithLayers) {
  const PlanProblem problem = fuzz_problem(false);
  for (const int first : {0, 400}) {
    Plan plan = make_plan(problem, Objective::kLatency);
    PlanStage& side = plan.side_devices.emplace_back(
        PlanStage{.first_layer = first, .last_layer = first + 100, .vision = true});
    side.precisions.assign(101, Precision::kBF16);
    Findings findings;
    check_layout(problem, plan, kv_blocks_of(problem.workload), findings);
    EXPECT_THAT(findings.take(), Contains(HasSubstr("has layers")));
  }
}

// The checker adds 1 % to values; the largest one that a file can hold has no room for it.
TEST(PlanFile, TheCheckerTakesAnyCertificate) {
  const PlanProblem problem = fuzz_problem(true);
  for (const Objective objective :
       {Objective::kLatency, Objective::kThroughput, Objective::kContext}) {
    const Plan plan = make_plan(problem, objective);
    for (int64_t Certificate::*const field :
         {&Certificate::value_ns, &Certificate::optimum_ns, &Certificate::bottleneck_ns,
          &Certificate::loss, &Certificate::kv_blocks}) {
      Plan changed = plan;
      changed.certificate.loss_exact = false;
      changed.certificate.*field = std::numeric_limits<int64_t>::max();
      (void)check_plan(problem, changed);
      changed.certificate.value_ns = changed.certificate.optimum_ns =
          std::numeric_limits<int64_t>::max();
      EXPECT_THAT(check_plan(problem, changed), testing::Not(IsEmpty()));
    }
  }
}

}  // namespace
}  // namespace tessera
