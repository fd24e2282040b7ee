#include "text/bpe_merges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tessera {
namespace {

using Merge = BpeMerges::Merge;
using Word = std::vector<int32_t>;

// The definition: as long as there is a pair with a merge, the first of those of the best rank.
Word merged_by_definition(const std::vector<Merge>& merges, Word word) {
  while (true) {
    size_t best = merges.size(), place = 0;
    for (size_t i = 0; i + 1 < word.size(); ++i)
      for (size_t rank = 0; rank < best; ++rank)
        if (merges[rank].left == word[i] && merges[rank].right == word[i + 1]) {
          best = rank;
          place = i;
        }
    if (best == merges.size()) return word;
    word[place] = merges[best].merged;
    word.erase(word.begin() + static_cast<ptrdiff_t>(place) + 1);
  }
}

// Each merge makes a token of its own, as in trained vocabularies, and so comes after its parts.
std::vector<Merge> trained(std::mt19937& rng, int32_t letters, int32_t count) {
  std::vector<Merge> merges;
  while (static_cast<int32_t>(merges.size()) < count) {
    const auto known = static_cast<uint32_t>(letters) + merges.size();
    const auto left = static_cast<int32_t>(rng() % known),
               right = static_cast<int32_t>(rng() % known);
    const bool there = std::any_of(merges.begin(), merges.end(), [&](const Merge& merge) {
      return merge.left == left && merge.right == right;
    });
    if (!there) merges.push_back({left, right, static_cast<int32_t>(known)});
  }
  return merges;
}

TEST(BpeMerges, MergesAsDefined) {
  std::mt19937 rng(5);
  BpeMerges::Scratch scratch;
  for (int round = 0; round < 300; ++round) {
    const auto letters = static_cast<int32_t>(1 + rng() % 4);
    const auto count = static_cast<int32_t>(rng() % 30);
    const std::vector<Merge> merges = trained(rng, letters, count);
    const BpeMerges bpe(merges, static_cast<size_t>(letters + count));
    for (int words = 0; words < 20; ++words) {
      Word word(rng() % 25);
      for (int32_t& token : word)
        token = static_cast<int32_t>(rng() % static_cast<uint32_t>(letters));
      const Word want = merged_by_definition(merges, word);
      bpe.apply(word, scratch);
      ASSERT_EQ(word, want);
    }
  }
}

TEST(BpeMerges, OfAPairThatComesTwiceTheLaterCounts) {
  // "a b" first makes 3; then 4, behind "b c".
  const BpeMerges bpe(std::vector<Merge>{{0, 1, 3}, {1, 2, 5}, {0, 1, 4}}, 6);
  BpeMerges::Scratch scratch;
  Word word = {0, 1, 2};
  bpe.apply(word, scratch);
  EXPECT_EQ(word, (Word{0, 5}));
  word = {0, 1};
  bpe.apply(word, scratch);
  EXPECT_EQ(word, (Word{4}));
}

TEST(BpeMerges, TakesEmptyWordsAndNoMerges) {
  const BpeMerges none({}, 3);
  BpeMerges::Scratch scratch;
  Word word;
  none.apply(word, scratch);
  EXPECT_TRUE(word.empty());
  word = {2, 1, 0};
  none.apply(word, scratch);
  EXPECT_EQ(word, (Word{2, 1, 0}));
}

}  // namespace
}  // namespace tessera
