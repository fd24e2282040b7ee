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
      std::vector<int> seen(static_cast<size_t>(rows));
      for (int64_t share = 0; share < shares.count; ++share)
        for (int64_t tile = 0; tile < shares.tiles_each; ++tile) {
          const int64_t first = shares.first_row(share, tile);
          for (int64_t row = first; row < std::min(first + shares.tile_rows, rows); ++row)
            ++seen[static_cast<size_t>(row)];
        }
      EXPECT_EQ(seen, std::vector<int>(static_cast<size_t>(rows), 1))
          << rows << " rows, " << threads << " threads";
    }
}

TEST(RowShares, AreThoseOfTheLoopsOverRows) {
  const RowShares shares = shares_of(256, 2);
  EXPECT_EQ(shares.count, 2);
  EXPECT_GE(shares.first_row(1, 0), 128);
  EXPECT_LT(shares.first_row(1, 0), 128 + kStep);
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
