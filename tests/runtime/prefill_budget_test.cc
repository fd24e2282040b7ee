#include "runtime/prefill_budget.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(PrefillBudget, FillsAStepWhenNobodyDecodes) {
  EXPECT_EQ(prefill_budget({.rows = 256, .waiting_rows = 10, .free_blocks = 1, .blocks = 100}),
            256);
}

TEST(PrefillBudget, IsAnEighthOfWhatWaitsWithinHalfAStepAndTheFreeShareOfTheCache) {
  const auto budget = [](int64_t waiting_rows, int64_t free_blocks) {
    return prefill_budget({.rows = 256,
                           .decoding = true,
                           .waiting_rows = waiting_rows,
                           .free_blocks = free_blocks,
                           .blocks = 100});
  };
  EXPECT_EQ(budget(8, 100), 32);
  EXPECT_EQ(budget(800, 100), 100);
  EXPECT_EQ(budget(80000, 100), 128);
  EXPECT_EQ(budget(80000, 24), 51);  // 256 (0.24 - 0.05) / 0.95
  EXPECT_EQ(budget(800, 24), 51);
  EXPECT_EQ(budget(80000, 5), 0);
  EXPECT_EQ(budget(80000, 0), 0);
}

TEST(PrefillBudget, KeepsAStepInItsTimeButStarvesNobody) {
  const auto budget = [](std::optional<int64_t> rows_in_time, int64_t free_blocks = 100,
                         int64_t waiting_rows = 800) {
    return prefill_budget({.rows = 256,
                           .decoding = true,
                           .waiting_rows = waiting_rows,
                           .rows_in_time = rows_in_time,
                           .free_blocks = free_blocks,
                           .blocks = 100});
  };
  EXPECT_EQ(budget(std::nullopt), 100);
  EXPECT_EQ(budget(1000), 100);
  EXPECT_EQ(budget(64), 64);
  EXPECT_EQ(budget(3), 32);
  EXPECT_EQ(budget(64, 5), 0);
  EXPECT_EQ(budget(3, 100, 3200), 100);  // a crowd is through after 32 steps
  EXPECT_EQ(budget(3, 100, 32000), 128);
}

}  // namespace
}  // namespace tessera
