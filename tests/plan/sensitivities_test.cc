#include "plan/sensitivities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/json.h"
#include "plan/loss_model.h"
#include "plan/planner.h"
#include "tests/plan/brute_force.h"
#include "tests/plan/random_problem.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Sensitivities example() {
  return {.reference = Precision::kBF16,
          .tokens = 512,
          .layer_parameters = 12345,
          .layers = {{{Precision::kInt8, 1e-5}, {Precision::kInt4, 0.01}},
                     {{Precision::kInt8, 3.25e-6}, {Precision::kInt4, 0.02}}},
          .head = {{Precision::kInt8, 2e-7}}};
}

// What refuses the example after `change`; the text between from and to may be cut.
std::string refusal(const std::function<void(Json&)>& change) {
  Json json = parse_json(sensitivities_to_text(example()), "example");
  change(json);
  return error_of([&] { (void)sensitivities_from_text(json.dump(), "s.json"); });
}

TEST(Sensitivities, ThereAndBack) {
  EXPECT_EQ(sensitivities_from_text(sensitivities_to_text(example()), "s.json"), example());
  const TempFolder folder;
  EXPECT_EQ(read_sensitivities(folder.write("s.json", sensitivities_to_text(example()))),
            example());
}

TEST(Sensitivities, WhatIsNoneOfThemIsOneClearError) {
  EXPECT_EQ(refusal([](Json&) {}), "no error");
  const auto set = [](const char* key, Json value) {
    return refusal([&](Json& json) { json[key] = std::move(value); });
  };
  EXPECT_THAT(set("sensitivities", 2), AllOf(HasSubstr("s.json"), HasSubstr("sensitivities")));
  EXPECT_THAT(set("reference", "int8"), HasSubstr("f32 or bf16"));
  EXPECT_THAT(set("tokens", 0), HasSubstr("tokens"));
  EXPECT_THAT(set("tokens", -3), HasSubstr("tokens"));
  EXPECT_THAT(set("layer_parameters", 1.5), HasSubstr("layer_parameters"));
  EXPECT_THAT(set("layers", Json::array()), HasSubstr("1 to 512 layers"));
  EXPECT_THAT(set("layers", 7), HasSubstr("layers"));
  EXPECT_THAT(set("head", Json::object()), AllOf(HasSubstr("head"), HasSubstr("at least one")));
  EXPECT_THAT(refusal([](Json& json) { json.erase("head"); }), HasSubstr("head"));

  Json many = Json::array();
  for (int i = 0; i <= kMaxPlanLayers; ++i) many.push_back({{"int8", 0.1}});
  EXPECT_THAT(set("layers", many), HasSubstr("513"));

  const auto loss = [](Json value) {
    return refusal([&](Json& json) { json["layers"][1]["int4"] = std::move(value); });
  };
  for (const Json& wrong : {Json(-1e-9), Json(1001), Json("0.1"), Json(nullptr), Json(true)})
    EXPECT_THAT(loss(wrong), HasSubstr("layers[1].int4")) << wrong;
  EXPECT_THAT(refusal([](Json& json) { json["layers"][0]["int3"] = 0.1; }), HasSubstr("int3"));

  for (const char* text : {"", "[]", "NaN", "{\"sensitivities\": 1", "{\"sensitivities\": NaN}",
                           "{\"sensitivities\": 1e999}"})
    EXPECT_THAT(error_of([&] { (void)sensitivities_from_text(text, "s.json"); }),
                HasSubstr("s.json"))
        << text;
}

TEST(Sensitivities, AFileTooLargeOrNotThereIsAnError) {
  const TempFolder folder;
  const std::string large = folder.write("large.json", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(error_of([&] { (void)read_sensitivities(large); }), HasSubstr("large.json"));
  EXPECT_THAT(error_of([&] { (void)read_sensitivities(folder.path("none")); }), HasSubstr("none"));
}

TEST(Sensitivities, WhatWasNotMeasuredFollowsTheNearestThatWas) {
  const Sensitivities::Unit unit = example().layers[0];
  const auto loss = [&](Precision precision, Precision own = Precision::kBF16) {
    return measured_loss(unit, precision, own);
  };
  EXPECT_EQ(loss(Precision::kF32), 0);
  EXPECT_EQ(loss(Precision::kBF16), 0);
  EXPECT_EQ(loss(Precision::kInt8), 1e-5);
  EXPECT_EQ(loss(Precision::kInt4), 0.01);
  const auto ratio = [](Precision of, Precision to) {
    return default_loss(of, Precision::kBF16) / default_loss(to, Precision::kBF16);
  };
  EXPECT_DOUBLE_EQ(loss(Precision::kInt6), 0.01 * ratio(Precision::kInt6, Precision::kInt4));
  EXPECT_DOUBLE_EQ(loss(Precision::kFp8), 0.01 * ratio(Precision::kFp8, Precision::kInt4));
  // The model is in f32: bf16 costs a little, from the next lower one that is known.
  EXPECT_GT(loss(Precision::kBF16, Precision::kF32), 0);
  EXPECT_LT(loss(Precision::kBF16, Precision::kF32), 1e-5);
  // Only int8 is known: lower ones from above.
  EXPECT_DOUBLE_EQ(measured_loss({{Precision::kInt8, 1e-5}}, Precision::kInt4, Precision::kBF16),
                   1e-5 * ratio(Precision::kInt4, Precision::kInt8));
  // Whatever a file says, the planner can add it.
  EXPECT_EQ(measured_loss({{Precision::kBF16, 1000}}, Precision::kInt4, Precision::kF32), 1000);
  EXPECT_EQ(measured_loss({{Precision::kF32, 5}}, Precision::kInt4, Precision::kF32), 0);
}

// Random losses for a problem, each precision's and layer's its own: neither falling with the
// precision nor alike from layer to layer.
Sensitivities random_sensitivities(PlanProblem& problem, std::mt19937& random) {
  std::uniform_real_distribution<double> exponent(-12, 0);
  const auto unit = [&](bool head) {
    Sensitivities::Unit losses = {{Precision::kInt8, std::pow(10, exponent(random))}};
    if (!head) losses[Precision::kInt4] = std::pow(10, exponent(random));
    if (random() % 8 == 0) losses[Precision::kInt8] = 0;
    return losses;
  };
  constexpr int64_t kParameters = 1000;
  Sensitivities measured{
      .tokens = 1, .layer_parameters = kParameters, .layers = {}, .head = unit(true)};
  for (PlanUnit& layer : problem.layers) {
    measured.layers.push_back(unit(false));
    for (auto& [precision, cost] : layer.costs) cost.flops_per_token = 2 * kParameters;
  }
  return measured;
}

TEST(Sensitivities, ThePlannerMinimisesTheMeasuredLoss) {
  int differ = 0, lowered = 0;
  constexpr int kProblems = 100;
  for (int seed = 0; seed < kProblems; ++seed) {
    PlanProblem problem = random_problem(
        static_cast<uint32_t>(seed), {.max_layers = 5, .max_devices = 3, .mixed_precision = true});
    std::mt19937 random(static_cast<uint32_t>(seed));
    const Sensitivities measured = random_sensitivities(problem, random);
    const Plan before = make_plan(problem, Objective::kLatency);
    use_sensitivities(problem, measured, "s.json");
    const Plan plan = make_plan(problem, Objective::kLatency);
    const BruteForce best = brute_force(problem, Objective::kLatency);
    ASSERT_EQ(plan.fits, best.fits) << seed;
    if (!plan.fits) continue;
    ASSERT_EQ(plan.certificate.loss, best.loss) << seed;
    ASSERT_EQ(plan.certificate.value_ns, best.value_ns) << seed;
    lowered += best.loss > 0 ? 1 : 0;
    const auto precisions = [](const Plan& of) {
      std::vector<Precision> out;
      for (const PlanStage& stage : of.stages)
        out.insert(out.end(), stage.precisions.begin(), stage.precisions.end());
      return out;
    };
    differ += precisions(before) != precisions(plan) ? 1 : 0;
  }
  EXPECT_GT(lowered, kProblems / 6);
  EXPECT_GT(differ, kProblems / 20);  // the measurement matters
}

TEST(Sensitivities, OfAnotherModelAreRefused) {
  PlanProblem problem = random_problem(3, {.mixed_precision = true});
  std::mt19937 random(3);
  Sensitivities measured = random_sensitivities(problem, random);
  EXPECT_EQ(error_of([&] { use_sensitivities(problem, measured, "s.json"); }), "no error");
  ++measured.layer_parameters;
  EXPECT_THAT(error_of([&] { use_sensitivities(problem, measured, "s.json"); }),
              AllOf(HasSubstr("s.json"), HasSubstr("layer_parameters"), HasSubstr("1001")));
  --measured.layer_parameters;
  measured.layers.push_back(measured.layers.front());
  EXPECT_THAT(error_of([&] { use_sensitivities(problem, measured, "s.json"); }),
              HasSubstr("layers"));
}

}  // namespace
}  // namespace tessera
