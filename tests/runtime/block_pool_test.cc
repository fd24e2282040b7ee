#include "runtime/block_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "ops/kv_cache.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

TEST(BlockTable, TakesBlocksAsPositionsNeedThem) {
  BlockPool pool(4);
  {
    BlockTable table(pool);
    std::vector<BlockCopy> copies;
    table.prepare(0, 1, copies);
    EXPECT_EQ(table.blocks().size(), 1U);
    table.prepare(1, kBlockTokens, copies);
    EXPECT_EQ(table.blocks().size(), 2U);
    table.prepare(kBlockTokens + 1, kBlockTokens - 1, copies);
    EXPECT_EQ(table.blocks().size(), 2U);
    EXPECT_TRUE(copies.empty());
    EXPECT_EQ(pool.free_blocks(), 2);
  }
  EXPECT_EQ(pool.free_blocks(), 4);
}

TEST(BlockTable, ForksShareUntilOneWrites) {
  BlockPool pool(8);
  std::vector<BlockCopy> copies;
  BlockTable first(pool);
  first.prepare(0, kBlockTokens + 3, copies);
  BlockTable second = first.fork();
  EXPECT_EQ(pool.free_blocks(), 6);

  second.prepare(kBlockTokens + 3, 1, copies);
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].from, first.blocks()[1]);
  EXPECT_EQ(copies[0].to, second.blocks()[1]);
  EXPECT_EQ(first.blocks()[0], second.blocks()[0]);

  copies.clear();
  first.prepare(kBlockTokens + 3, 1, copies);  // alone with its block by now
  EXPECT_TRUE(copies.empty());
}

TEST(BlockTable, SaysWhenThePoolIsExhaustedAndTakesNothing) {
  BlockPool pool(2);
  BlockTable table(pool);
  std::vector<BlockCopy> copies;
  EXPECT_THAT(error_of([&] { table.prepare(0, 3 * kBlockTokens, copies); }),
              testing::HasSubstr("expected 3 free blocks, found 2 of 2"));
  EXPECT_EQ(pool.free_blocks(), 2);
}

// A block is written by one sequence only, and every sequence reads what it wrote or what it had
// when it was forked: a naive model keeps a whole copy of the contents for each sequence.
TEST(BlockTable, NeverWritesIntoAnothersPast) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    BlockPool pool(64);
    std::map<std::pair<int32_t, int64_t>, int> memory;  // (block, slot) -> value
    struct Sequence {
      BlockTable table;
      std::vector<int> naive;
    };
    std::vector<Sequence> sequences;
    sequences.push_back({BlockTable(pool), {}});
    int value = 0;
    for (int step = 0; step < 60; ++step) {
      const size_t i = random() % sequences.size();
      if (random() % 4 == 0 && sequences.size() < 4) {
        sequences.push_back({sequences[i].table.fork(), sequences[i].naive});
      } else if (random() % 8 == 0 && sequences.size() > 1) {
        sequences.erase(sequences.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        Sequence& s = sequences[i];
        const auto count = static_cast<int64_t>(1 + random() % 5);
        const auto first = static_cast<int64_t>(s.naive.size());
        if (first + count > 8 * kBlockTokens) continue;
        std::vector<BlockCopy> copies;
        s.table.prepare(first, count, copies);
        for (const BlockCopy& copy : copies)
          for (int64_t slot = 0; slot < kBlockTokens; ++slot)
            memory[{copy.to, slot}] = memory[{copy.from, slot}];
        for (int64_t t = first; t < first + count; ++t) {
          s.naive.push_back(++value);
          memory[{s.table.blocks()[static_cast<size_t>(t / kBlockTokens)], t % kBlockTokens}] =
              value;
        }
      }
      for (const Sequence& s : sequences)
        for (size_t t = 0; t < s.naive.size(); ++t)
          ASSERT_EQ((memory[{s.table.blocks()[t / kBlockTokens],
                             static_cast<int64_t>(t) % kBlockTokens}]),
                    s.naive[t]);
    }
    sequences.clear();
    EXPECT_EQ(pool.free_blocks(), pool.capacity());
  }
}

}  // namespace
}  // namespace tessera
