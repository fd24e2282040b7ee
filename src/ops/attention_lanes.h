#pragma once

#include <cstdint>

#include "ops/attention_softmax.h"
#include "ops/bf16_round.h"

// The attention kernel over pages of f32 and bf16.
//
// `Numbers` says what a word is:
//   kPerWord              numbers in it: 1 f32 or 2 bf16
//   Lanes, Words          sixteen f32, sixteen words
//   add(sum, x, w)        sum + the products of x's and w's numbers
//   first_half(w)         w with only the first of two numbers, the other 0
//   kRoundsPairs          whether an instruction rounds f32 to pairs as to_pairs does:
//   round(), round_half() 32 and 16 of them

namespace tessera {
namespace {

/// What a tile needs while it runs, on the stack of the thread: 131 KiB.
struct alignas(64) AttentionScratch {
  SoftmaxState state;
  Word q[kTileQueries * kMaxDim / 2];   // pairs only: queries rounded
  Word values[kGroupTokens * kMaxDim];  // a group, where dimensions are no whole lanes
  Word p[kTileQueries * kGroupTokens];  // pairs only: softmax weights rounded
};

/// `count` f32 as pairs of bf16; a last odd one has 0 beside it.
inline void to_pairs(const float* from, int64_t count, Word* to) {
  for (int64_t i = 0; i < count / 2; ++i)
    to[i] = static_cast<Word>(bf16_rounded(from[2 * i])) |
            static_cast<Word>(bf16_rounded(from[2 * i + 1])) << 16;
  if (count % 2 != 0) to[count / 2] = bf16_rounded(from[count - 1]);
}

/// f32 as words: where they lie, or as pairs in `room`.
template <typename Numbers>
const Word* as_words(const float* from, int64_t count, Word* room) {
  if constexpr (Numbers::kPerWord == 1) return reinterpret_cast<const Word*>(from);
  int64_t done = 0;
  if constexpr (Numbers::kRoundsPairs) {  // to the same bits
    for (; done + 2 * kSlots <= count; done += 2 * kSlots)
      Numbers::round(from + done, room + done / 2);
    for (; done + kSlots <= count; done += kSlots)
      Numbers::round_half(from + done, room + done / 2);
  }
  to_pairs(from + done, count - done, room + done / 2);
  return room;
}

/// scores[i][0 .. 15] = scale * q[i] . keys for kQueries queries and kBlocks pages, each one chain
/// over d. Fetches what will be read next.
template <typename Numbers, int kQueries, int kBlocks>
void score_block(const Word* const* q, const Word* const* keys, const Word* const* next,
                 int64_t words, float scale, float* scores) {
  using Lanes = typename Numbers::Lanes;
  Lanes chains[kQueries][kBlocks];
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 4
    for (int b = 0; b < kBlocks; ++b) chains[i][b] = Lanes::zero();
  for (int64_t d = 0; d < words; ++d) {
    typename Numbers::Words key[kBlocks];
#pragma GCC unroll 4
    for (int b = 0; b < kBlocks; ++b) {
      key[b] = Numbers::load(keys[b] + d * kSlots);
      fetch(next[b] + d * kSlots);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kQueries; ++i) {
      const auto x = Numbers::all(q[i][d]);
#pragma GCC unroll 4
      for (int b = 0; b < kBlocks; ++b) chains[i][b] = Numbers::add(chains[i][b], x, key[b]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 4
    for (int b = 0; b < kBlocks; ++b)
      mul(Lanes::all(scale), chains[i][b]).store(scores + i * kGroupTokens + b * kSlots);
}

template <typename Numbers, int kBlocks, int kQueries = Numbers::kScoreQueries>
void score_queries(int64_t queries, const Word* const* q, const Word* const* keys,
                   const Word* const* next, int64_t words, float scale, float* scores) {
  if (queries == kQueries)
    return score_block<Numbers, kQueries, kBlocks>(q, keys, next, words, scale, scores);
  if constexpr (kQueries > 1)
    score_queries<Numbers, kBlocks, kQueries - 1>(queries, q, keys, next, words, scale, scores);
}

/// Scores of queries first .. last - 1 with the `tokens` of a group.
template <typename Numbers>
void score_group(const AttentionTile& tile, const Word* const* q, int64_t group, int64_t tokens,
                 int64_t first, int64_t last, float* scores) {
  constexpr int64_t kWide = Numbers::kScoreBlocks;
  const int64_t words = (tile.head_dim + Numbers::kPerWord - 1) / Numbers::kPerWord;
  const Word *keys[kGroupBlocks], *values[kGroupBlocks];
  const int64_t blocks = (tokens + kSlots - 1) / kSlots;
  for (int64_t b = 0; b < blocks; ++b) {
    keys[b] = page<Word>(tile, tile.from.keys, group + b * kSlots);
    values[b] = page<Word>(tile, tile.from.values, group + b * kSlots);
  }
  for (int64_t b = 0; b < blocks;) {
    const bool wide = blocks - b >= kWide;
    for (int64_t i = first; i < last; i += Numbers::kScoreQueries) {
      const int64_t queries = least(Numbers::kScoreQueries, last - i);
      float* to = scores + i * kGroupTokens + b * kSlots;
      if (wide)
        score_queries<Numbers, kWide>(queries, q + i, keys + b, values + b, words, tile.scale, to);
      else
        score_queries<Numbers, 1>(queries, q + i, keys + b, values + b, words, tile.scale, to);
    }
    b += wide ? kWide : 1;
  }
}

/// The pages of a group's values, and those of the keys that are read after them.
struct ValuePages {
  const Word* values[kGroupBlocks];
  const Word* next[kGroupBlocks];
};

/// The values of a group as [words of tokens][stride] where each row has whole lanes: one pointer
/// for each page, into the pages or, where head_dim is no multiple of 16, into `scratch`; and what
/// is read after them.
template <typename Numbers>
ValuePages load_values(const AttentionTile& tile, int64_t group, int64_t context, Word* scratch) {
  const int64_t dims = tile.head_dim, padded = pad(dims);
  constexpr int64_t kRows = kSlots / Numbers::kPerWord;  // words of tokens in a page
  ValuePages pages;
  for (int64_t b = 0; b < kGroupBlocks && group + b * kSlots < context; ++b) {
    const int64_t first = group + b * kSlots, next = first + kGroupTokens;
    const Word* from = page<Word>(tile, tile.from.values, first);
    pages.next[b] = next < context ? page<Word>(tile, tile.from.keys, next) : from;
    pages.values[b] = dims == padded ? from : scratch;
    if (dims == padded) continue;
    for (int64_t t = 0; t < kRows; ++t, scratch += padded)
      for (int64_t d = 0; d < padded; ++d) scratch[d] = d < dims ? from[t * dims + d] : 0;
  }
  return pages;
}

/// Words of a group's tokens: whole ones, and then perhaps of one more its first token only.
struct TokenWords {
  int64_t first, last;
  bool half = false;
};

/// sums[i][lanes of d] = one chain over tokens of p[i] * values, from what is there.
template <typename Numbers, int kQueries, int kLanes>
void add_block(const TokenWords& words, const Word* p, const ValuePages& pages, int64_t padded,
               int64_t d, float* sums) {
  using Lanes = typename Numbers::Lanes;
  constexpr int64_t kRows = kSlots / Numbers::kPerWord;  // words of tokens in a page
  Lanes chains[kQueries][kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) chains[i][j] = Lanes::load(sums + i * padded + d + j * kSlots);
  for (int64_t t = words.first; t < words.last;) {
    const Word* at = pages.values[t / kRows] + t % kRows * padded + d;
    const Word* next = pages.next[t / kRows] + t % kRows * padded + d;
    for (const int64_t end = least(words.last, (t / kRows + 1) * kRows); t < end; ++t) {
      typename Numbers::Words value[kLanes];
#pragma GCC unroll 8
      for (int j = 0; j < kLanes; ++j) {
        value[j] = Numbers::load(at + j * kSlots);
        fetch(next + j * kSlots);
      }
      at += padded;
      next += padded;
#pragma GCC unroll 16
      for (int i = 0; i < kQueries; ++i) {
        const auto weight = Numbers::all(p[i * kGroupTokens + t]);
#pragma GCC unroll 8
        for (int j = 0; j < kLanes; ++j)
          chains[i][j] = Numbers::add(chains[i][j], weight, value[j]);
      }
    }
  }
  if (words.half) {  // the other token is past the context: what lies there may be anything, even
                     // NaN
    const Word* at = pages.values[words.last / kRows] + words.last % kRows * padded + d;
#pragma GCC unroll 16
    for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < kLanes; ++j)
        chains[i][j] = Numbers::add(chains[i][j], Numbers::all(p[i * kGroupTokens + words.last]),
                                    Numbers::first_half(Numbers::load(at + j * kSlots)));
  }
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) chains[i][j].store(sums + i * padded + d + j * kSlots);
}

template <typename Numbers, int kQueries, int kLanes = Numbers::kValueLanes>
void add_lanes(int64_t lanes, const TokenWords& words, const Word* p, const ValuePages& pages,
               int64_t padded, int64_t d, float* sums) {
  if constexpr (kQueries * kLanes <= Numbers::kValueChains)
    if (lanes == kLanes)
      return add_block<Numbers, kQueries, kLanes>(words, p, pages, padded, d, sums);
  if constexpr (kLanes > 1)
    add_lanes<Numbers, kQueries, kLanes - 1>(lanes, words, p, pages, padded, d, sums);
}

template <typename Numbers, int kQueries = Numbers::kValueQueries>
void add_queries(int64_t queries, const TokenWords& words, const Word* p, const ValuePages& pages,
                 int64_t padded, float* sums) {
  if (queries == kQueries) {
    for (int64_t d = 0; d < padded;) {
      const int64_t lanes = value_lanes((padded - d) / kSlots, Numbers::kValueLanes);
      add_lanes<Numbers, kQueries>(lanes, words, p, pages, padded, d, sums);
      d += lanes * kSlots;
    }
  } else if constexpr (kQueries > 1) {
    add_queries<Numbers, kQueries - 1>(queries, words, p, pages, padded, sums);
  }
}

/// Adds the values of a group to the sums of queries first .. last - 1.
template <typename Numbers>
void add_values(const AttentionTile& tile, int64_t group, int64_t first, int64_t last,
                const Word* p, const ValuePages& pages, float* all_sums) {
  constexpr int64_t kPer = Numbers::kPerWord;
  const int64_t padded = pad(tile.head_dim);
  const int64_t lanes = value_lanes(padded / kSlots, Numbers::kValueLanes);
  const int64_t together = least(Numbers::kValueQueries, Numbers::kValueChains / lanes);
  for (int64_t i = first; i < last; i += together) {
    const int64_t queries = least(together, last - i);
    float* sums = all_sums + i * padded;
    const Word* weights = p + i * kGroupTokens;
    // Contexts never fall, so the first query's tokens are in those of all; the rest one by one: a
    // token past a query's context takes no part, not even with weight 0.
    const int64_t common = group_tokens(tile, i, group) / kPer;
    add_queries<Numbers>(queries, {0, common}, weights, pages, padded, sums);
    for (int64_t j = 0; j < queries; ++j) {
      const int64_t own = group_tokens(tile, i + j, group);
      if (own > common * kPer)
        add_queries<Numbers>(1, {common, own / kPer, own % kPer != 0}, weights + j * kGroupTokens,
                             pages, padded, sums + j * padded);
    }
  }
}

template <typename Numbers>
void attend(const AttentionTile& tile) {
  AttentionScratch scratch;
  SoftmaxState& state = scratch.state;
  const int64_t queries = tile.queries;
  const Word* q[kTileQueries];
  for (int64_t i = 0; i < queries; ++i)
    q[i] = as_words<Numbers>(tile.q[i], tile.head_dim, scratch.q + i * kMaxDim / 2);
  start(tile, state);

  const int64_t context = tile.context[queries - 1];
  int64_t first = 0;  // queries before it have met all of their context
  for (int64_t group = 0; group < context; group += kGroupTokens) {
    while (tile.context[first] <= group) ++first;
    const int64_t tokens = least(kGroupTokens, context - group);
    score_group<Numbers>(tile, q, group, tokens, first, queries, state.scores);
    soften_group<typename Numbers::Lanes>(tile, group, first, state);
    for (int64_t i = first; i < queries; ++i)
      as_words<Numbers>(state.scores + i * kGroupTokens, kGroupTokens,
                        scratch.p + i * kGroupTokens);
    const Word* const weights =
        Numbers::kPerWord == 1 ? reinterpret_cast<const Word*>(state.scores) : scratch.p;
    const ValuePages pages = load_values<Numbers>(tile, group, context, scratch.values);
    add_values<Numbers>(tile, group, first, queries, weights, pages, state.sums);
  }
  write_out(tile, state);
}

}  // namespace
}  // namespace tessera
