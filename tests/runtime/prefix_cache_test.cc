#include "runtime/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace tessera {
namespace {

using testing::IsEmpty;

BlockRows rows_of(int32_t text) {
  BlockRows rows;
  rows.ids.fill(text);
  return rows;
}

// Blocks of one sequence, as a scheduler would use the cache.
struct Chain {
  std::vector<int32_t> blocks;
  std::vector<int32_t> texts;
};

Chain compute(PrefixCache& cache, const std::vector<int32_t>& texts) {
  Chain chain{.blocks = {}, .texts = texts};
  PrefixEnd end;
  for (const int32_t text : texts) {
    const int32_t block = cache.take().value();
    chain.blocks.push_back(block);
    end = cache.add(end, rows_of(text), block).value();
    if (end.block != block) {
      cache.share(end.block);
      cache.release(block);
      chain.blocks.back() = end.block;
    }
  }
  return chain;
}

void give_back(PrefixCache& cache, Chain& chain) {
  for (; !chain.blocks.empty(); chain.blocks.pop_back()) cache.release(chain.blocks.back());
}

size_t hits(const PrefixCache& cache, const std::vector<int32_t>& texts) {
  PrefixEnd end;
  size_t count = 0;
  for (const int32_t text : texts) {
    const auto next = cache.find(end, rows_of(text));
    if (!next.has_value()) break;
    end = *next;
    ++count;
  }
  return count;
}

TEST(PrefixCache, KeepsWhatNobodyUsesUntilItsBlocksAreNeeded) {
  BlockPool pool(4);
  PrefixCache cache(pool, 1);
  Chain first = compute(cache, {1, 2, 3});
  EXPECT_EQ(cache.idle(), 0);
  give_back(cache, first);
  EXPECT_EQ(cache.idle(), 3);
  EXPECT_EQ(cache.available(), 4);
  EXPECT_EQ(hits(cache, {1, 2, 3}), 3U);
  EXPECT_EQ(hits(cache, {2}), 0U);
  EXPECT_EQ(hits(cache, {1, 2, 4}), 2U);

  EXPECT_EQ(cache.take().has_value(), true);  // the free one
  EXPECT_EQ(hits(cache, {1, 2, 3}), 3U);
  EXPECT_EQ(cache.take().has_value(), true);  // the end of the chain
  EXPECT_EQ(hits(cache, {1, 2, 3}), 2U);
  EXPECT_THAT(cache.violations(), IsEmpty());
  cache.forget();
  EXPECT_EQ(pool.free_blocks(), 2);
  EXPECT_EQ(cache.available(), 2);
}

TEST(PrefixCache, ForgetsTheLongestUnusedChainFirst) {
  BlockPool pool(4);
  PrefixCache cache(pool, 1);
  Chain one = compute(cache, {1, 2}), other = compute(cache, {3, 4});
  give_back(cache, one);
  give_back(cache, other);
  const PrefixEnd used = cache.find({}, rows_of(1)).value();  // used once more
  cache.share(used.block);
  cache.release(used.block);
  for (const size_t left : {1, 1, 1}) {
    cache.take();
    EXPECT_EQ(hits(cache, {1, 2}), left);
  }
  EXPECT_EQ(hits(cache, {3, 4}), 0U);
  EXPECT_THAT(cache.violations(), IsEmpty());
}

TEST(PrefixCache, APictureCountsByItsHashAndTheRowsOfIt) {
  BlockPool pool(8);
  PrefixCache cache(pool, 1);
  BlockRows rows = rows_of(0);
  rows.pictures = {{.first = 4, .count = 12, .offset = 0, .hash = {7, 8}}};
  cache.add({}, rows, cache.take().value());
  EXPECT_TRUE(cache.find({}, rows).has_value());
  EXPECT_FALSE(cache.find({}, rows_of(0)).has_value());
  for (const PictureRows other :
       {PictureRows{.first = 4, .count = 12, .offset = 1, .hash = {7, 8}},
        PictureRows{.first = 4, .count = 12, .offset = 0, .hash = {7, 9}},
        PictureRows{.first = 5, .count = 11, .offset = 0, .hash = {7, 8}},
        PictureRows{.first = 4, .count = 11, .offset = 0, .hash = {7, 8}}}) {
    BlockRows with_other = rows;
    with_other.pictures = {other};
    EXPECT_FALSE(cache.find({}, with_other).has_value());
  }
}

TEST(PrefixCache, HashesDifferFromProcessToProcess) {
  BlockPool pool(2);
  PrefixCache one(pool, 1), other(pool, 2);
  const auto a = one.add({}, rows_of(1), one.take().value());
  const auto b = other.add({}, rows_of(1), other.take().value());
  EXPECT_NE(a->hash, b->hash);
}

// Against a map from whole histories to blocks. With hashes of two bits nearly everything collides,
// and still only blocks with the very rows are found.
TEST(PrefixCache, IsAMapFromHistoriesWhateverCollides) {
  for (const int hash_bits : {2, 5, 64}) {
    int64_t found = 0, refused = 0;
    for (uint32_t seed = 0; seed < 200; ++seed) {
      std::mt19937 random(seed);
      BlockPool pool(12);
      PrefixCache cache(pool, seed, hash_bits);
      std::map<int32_t, std::vector<int32_t>> histories;  // of the blocks with known contents
      std::deque<Chain> chains;
      for (int turn = 0; turn < 60; ++turn) {
        if (random() % 3 == 0 && !chains.empty()) {
          give_back(cache, chains.front());
          chains.pop_front();
          ASSERT_THAT(cache.violations(), IsEmpty());
          continue;
        }
        Chain chain;
        for (size_t i = 0; i < 1 + random() % 5; ++i)
          chain.texts.push_back(static_cast<int32_t>(random() % 2));
        PrefixEnd end;
        std::vector<int32_t> history;
        bool broken = false;
        for (const int32_t text : chain.texts) {
          history.push_back(text);
          if (const auto hit = cache.find(end, rows_of(text)); hit.has_value() && !broken) {
            ASSERT_EQ(histories.at(hit->block), history);
            ++found;
            cache.share(hit->block);
            chain.blocks.push_back(hit->block);
            end = *hit;
            continue;
          }
          const auto block = cache.take();
          if (!block.has_value()) break;
          chain.blocks.push_back(*block);
          histories[*block] = history;
          if (broken) continue;
          const auto next = cache.add(end, rows_of(text), *block);
          broken = !next.has_value();
          refused += broken ? 1 : 0;
          if (!broken) {
            ASSERT_EQ(next->block, *block);
            end = *next;
          }
        }
        chains.push_back(chain);
        ASSERT_THAT(cache.violations(), IsEmpty()) << seed;
      }
      for (Chain& chain : chains) give_back(cache, chain);
      ASSERT_EQ(cache.available(), 12);
      cache.forget();
      ASSERT_EQ(pool.free_blocks(), 12);
    }
    EXPECT_GT(found, 1000);
    EXPECT_EQ(refused > 0, hash_bits < 64);
  }
}

}  // namespace
}  // namespace tessera
