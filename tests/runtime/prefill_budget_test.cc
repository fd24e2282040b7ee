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

}  // namespace
}  // namespace tessera
