#include "runtime/step_cost.h"

#include <gtest/gtest.h>

#include <random>

namespace tessera {
namespace {

// Seconds of a step on a machine that is known.
struct Machine {
  double base_s = 3.5e-3, decode_row_s = 1.6e-3, prompt_row_s = 0.7e-3;

  double step_s(int64_t decode_rows, int64_t prompt_rows) const {
    return base_s + decode_row_s * static_cast<double>(decode_rows) +
           prompt_row_s * static_cast<double>(prompt_rows);
  }
  double rows_within(int64_t decode_rows, double factor) const {
    return (factor - 1) * step_s(decode_rows, 0) / prompt_row_s;
  }
};

// Steps as they come: prompts beside ever more decodes, then decodes alone.
void add_steps(StepCost& cost, const Machine& machine, std::mt19937& random) {
  std::uniform_real_distribution<double> noise(0.9, 1.1);
  const auto add = [&](int64_t decode_rows, int64_t prompt_rows) {
    cost.add(decode_rows, prompt_rows, noise(random) * machine.step_s(decode_rows, prompt_rows));
  };
  for (int64_t i = 0; i < 4; ++i) add(0, 256);
  for (int64_t rows = 3; rows < 64; ++rows) add(rows, 128 - rows);
  for (int64_t rows = 64; rows > 0; --rows) add(rows, 0);
}

void expect_knows(const StepCost& cost, const Machine& machine, double within) {
  for (const int64_t decode_rows : {4, 16, 64}) {
    const double exact = machine.rows_within(decode_rows, 3);
    const auto rows = cost.prompt_rows(decode_rows, 3);
    ASSERT_TRUE(rows.has_value());
    EXPECT_NEAR(static_cast<double>(*rows), exact, within * exact + 1) << decode_rows;
  }
}

TEST(StepCost, SaysNothingBeforeItKnows) {
  StepCost cost;
  EXPECT_EQ(cost.prompt_rows(8, 3), std::nullopt);
  cost.add(8, 0, 0.02);
  EXPECT_EQ(cost.prompt_rows(8, 3), std::nullopt);
  cost.add(8, 64, 0);  // of a clock that stands still
  EXPECT_EQ(cost.prompt_rows(8, 3), std::nullopt);
}

TEST(StepCost, LearnsWhatAMachineDoes) {
  std::mt19937 random(1);
  for (const Machine& machine : {Machine{}, Machine{30e-3, 0.02e-3, 0.2e-3}}) {
    StepCost cost;
    add_steps(cost, machine, random);
    expect_knows(cost, machine, 0.15);  // 130 steps, each off by up to 10 %
  }
}

TEST(StepCost, DoesNotForgetPromptsWhileNoneCome) {
  std::mt19937 random(2);
  StepCost cost;
  add_steps(cost, {}, random);
  for (int i = 0; i < 100000; ++i) cost.add(1 + i % 64, 0, Machine{}.step_s(1 + i % 64, 0));
  expect_knows(cost, {}, 0.15);
}

TEST(StepCost, HardlyMindsAStepThatWasHeldUp) {
  std::mt19937 random(3);
  StepCost cost;
  add_steps(cost, {}, random);
  cost.add(8, 32, 5);
  cost.add(8, 0, 5);
  expect_knows(cost, {}, 0.2);
}

TEST(StepCost, FollowsAMachineThatChanges) {
  std::mt19937 random(4);
  StepCost cost;
  add_steps(cost, {}, random);
  const Machine slower{.base_s = 3.5e-3, .decode_row_s = 1.6e-3, .prompt_row_s = 2.1e-3};
  for (int i = 0; i < 5; ++i) add_steps(cost, slower, random);
  expect_knows(cost, slower, 0.2);
}

}  // namespace
}  // namespace tessera
