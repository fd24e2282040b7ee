#include "ops/row_shares.h"

#include <gtest/gtest.h>

#include <vector>

namespace tessera {
namespace {

constexpr int64_t kLeast = 64, kMost = 132, kStep = 6;

RowShares shares_of(int64_t rows, int64_t threads) {
  return share_rows(rows, threads, kLeast, kMost, kStep);
}

TEST(RowShares, HaveEveryRowOnceInTilesOfWholeSteps) {
  for (int64_t threads = 1; threads <= 8; ++threads)
    for (int64_t rows = 1; rows < 1200; rows += 7) {
      const RowShares shares = shares_of(rows, threads);
      EXPECT_EQ(threads % shares.count, 0);
      EXPECT_EQ(shares.tile_rows % kStep, 0);
      EXPECT_LE(shares.tile_rows, kMost);
      constexpr int64_t kKinds = 3;
      std::vector<int> seen(static_cast<size_t>(rows * kKinds));
      for (int64_t index = 0; index < shares.tasks(kKinds); ++index) {
        const RowShares::Task task = shares.task(index, kKinds);
        for (int64_t row = task.first; row < task.end; ++row)
          ++seen[static_cast<size_t>(row * kKinds + task.kind)];
      }
      EXPECT_EQ(seen, std::vector<int>(seen.size(), 1))
          << rows << " rows, " << threads << " threads";
    }
}

TEST(RowShares, AreThoseOfTheLoopsOverRows) {
  const RowShares shares = shares_of(256, 2);
  EXPECT_EQ(shares.count, 2);
  const int64_t second = shares.task(shares.tiles_each, 1).first;
  EXPECT_GE(second, 128);
  EXPECT_LT(second, 128 + kStep);
  EXPECT_EQ(shares_of(127, 2).count, 1);  // fewer than two times the least
  EXPECT_EQ(shares_of(256, 8).count, 4);  // two threads for each
  EXPECT_EQ(shares_of(256, 3).count, 3);
}

TEST(RowShares, OfNoRowsHaveNone) {
  EXPECT_EQ(shares_of(0, 4).count, 1);
  EXPECT_EQ(shares_of(0, 4).tile_rows, 0);
}

}  // namespace
}  // namespace tessera
