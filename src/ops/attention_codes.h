#pragma once

#include <cstdint>

#include "ops/attention_softmax.h"
#include "ops/code_scale.h"

// The attention kernel over int8 pages. What lies past a context needs no care: its weights are
// whole zeros, which nothing makes a NaN of.
//
// `Codes` says what sixteen pairs of codes are:
//   Lanes, Sums, Words      sixteen f32, i32, and pairs of i16
//   zero(), as_lanes(sums)  sums of 0, and sums as f32
//   load(codes), all(pair)  sixteen pairs widened; the same pair sixteen times
//   add(sum, x, w)          sum + both products of x's and w's pairs
//   kScoreQueries, kScoreBlocks, kValueQueries, kValueLanes   sums held in registers, as in
//                           lanes_avx512.h

namespace tessera {
namespace {

constexpr int64_t kPairBytes = 2 * kSlots;  // of sixteen pairs in a page
constexpr int64_t kPagePairs = kSlots / 2;  // of a page's tokens
constexpr float kMostCode = 32767;          // of queries and weights

/// What a tile needs while it runs, on the stack of the thread: 64 KiB.
struct alignas(64) CodesScratch {
  SoftmaxState state;
  int16_t q[kTileQueries * kMaxDim];       // codes of the queries
  int16_t w[kTileQueries * kGroupTokens];  // codes of a group's weights
  float value_scales[kGroupTokens];        // of the group; 0 past the tile's context
  float q_scales[kTileQueries];            // scale * q_scale of the definition
  float w_scales[kTileQueries];
};

/// The codes of f32; those after them up to `room` are 0. Returns their scale.
inline float to_codes(const float* from, int64_t count, int64_t room, int16_t* to) {
  const CodeScale code = code_scale(largest_magnitude(from, count), kMostCode);
  for (int64_t i = 0; i < count; ++i)
    to[i] = static_cast<int16_t>(nearest_code(from[i] * code.inverse));
  for (int64_t i = count; i < room; ++i) to[i] = 0;
  return code.scale;
}

/// Codes and scales of one page, and what will be read after it.
struct CodePage {
  const int8_t* codes;
  const float* scales;
  const int8_t* next;
};

/// Scores of kQueries queries with kBlocks pages of keys, each one sum over `pairs` of dimensions.
template <typename Codes, int kQueries, int kBlocks>
void score_codes(const Word* const* q, const float* q_scales, const CodePage* keys, int64_t pairs,
                 float* scores) {
  using Lanes = typename Codes::Lanes;
  typename Codes::Sums sums[kQueries][kBlocks];
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 4
    for (int b = 0; b < kBlocks; ++b) sums[i][b] = Codes::zero();
  for (int64_t d = 0; d < pairs; ++d) {
    typename Codes::Words key[kBlocks];
#pragma GCC unroll 4
    for (int b = 0; b < kBlocks; ++b) {
      key[b] = Codes::load(keys[b].codes + d * kPairBytes);
      if (d % 2 == 0) fetch(keys[b].next + d * kPairBytes);  // a line is two of them
    }
#pragma GCC unroll 16
    for (int i = 0; i < kQueries; ++i) {
      const auto x = Codes::all(q[i][d]);
#pragma GCC unroll 4
      for (int b = 0; b < kBlocks; ++b) sums[i][b] = Codes::add(sums[i][b], x, key[b]);
    }
  }
#pragma GCC unroll 4
  for (int b = 0; b < kBlocks; ++b) {
    fetch(keys[b].next + pairs * kPairBytes);  // the scales
    const Lanes scale = Lanes::load(keys[b].scales);
#pragma GCC unroll 16
    for (int i = 0; i < kQueries; ++i)
      mul(mul(scale, Lanes::all(q_scales[i])), Codes::as_lanes(sums[i][b]))
          .store(scores + i * kGroupTokens + b * kSlots);
  }
}

template <typename Codes, int kBlocks, int kQueries = Codes::kScoreQueries>
void score_code_queries(int64_t queries, const Word* const* q, const float* q_scales,
                        const CodePage* keys, int64_t pairs, float* scores) {
  if (queries == kQueries)
    return score_codes<Codes, kQueries, kBlocks>(q, q_scales, keys, pairs, scores);
  if constexpr (kQueries > 1)
    score_code_queries<Codes, kBlocks, kQueries - 1>(queries, q, q_scales, keys, pairs, scores);
}

/// Scores of queries `first` .. the last with the `tokens` of a group.
template <typename Codes>
void score_code_group(const AttentionTile& tile, const Word* const* q, int64_t group,
                      int64_t tokens, int64_t first, CodesScratch& scratch) {
  constexpr int64_t kWide = Codes::kScoreBlocks;
  CodePage keys[kGroupBlocks];
  const int64_t blocks = (tokens + kSlots - 1) / kSlots, pairs = (tile.head_dim + 1) / 2;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t token = group + b * kSlots;
    keys[b] = {page<int8_t>(tile, tile.from.keys, token),
               page<float>(tile, tile.from.key_scales, token),
               page<int8_t>(tile, tile.from.values, token)};
  }
  for (int64_t b = 0; b < blocks;) {
    const bool wide = blocks - b >= kWide;
    for (int64_t i = first; i < tile.queries; i += Codes::kScoreQueries) {
      const int64_t queries = least(Codes::kScoreQueries, tile.queries - i);
      float* to = scratch.state.scores + i * kGroupTokens + b * kSlots;
      if (wide)
        score_code_queries<Codes, kWide>(queries, q + i, scratch.q_scales + i, keys + b, pairs, to);
      else
        score_code_queries<Codes, 1>(queries, q + i, scratch.q_scales + i, keys + b, pairs, to);
    }
    b += wide ? kWide : 1;
  }
}

/// Softmax weights of a group -> codes, of queries `first` .. the last: each with its token's value
/// scale in it.
inline void weigh_group(const AttentionTile& tile, int64_t group, int64_t tokens, int64_t first,
                        CodesScratch& scratch) {
  for (int64_t t = 0; t < tokens; t += kSlots) {
    const float* scales = page<float>(tile, tile.from.value_scales, group + t);
    for (int64_t slot = 0; slot < kSlots; ++slot) scratch.value_scales[t + slot] = scales[slot];
  }
  for (int64_t t = tokens; t < kGroupTokens; ++t) scratch.value_scales[t] = 0;
  for (int64_t i = first; i < tile.queries; ++i) {
    float* p = scratch.state.scores + i * kGroupTokens;
    for (int64_t t = 0; t < kGroupTokens; ++t) p[t] *= scratch.value_scales[t];
    // A later token's scale may be NaN, and 0 * NaN is not 0.
    for (int64_t t = group_tokens(tile, i, group); t < kGroupTokens; ++t) p[t] = 0;
    scratch.w_scales[i] = to_codes(p, kGroupTokens, kGroupTokens, scratch.w + i * kGroupTokens);
  }
}

/// sums[i][lanes of d] += w_scale * the sum over `pairs` of tokens of the weights' and the values'
/// codes.
template <typename Codes, int kQueries, int kLanes>
void add_codes(int64_t pairs, const Word* w, const float* w_scales, const CodePage* pages,
               int64_t dims, int64_t d, float* sums) {
  using Lanes = typename Codes::Lanes;
  typename Codes::Sums added[kQueries][kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) added[i][j] = Codes::zero();
  for (int64_t t = 0; t < pairs;) {
    const CodePage& values = pages[t / kPagePairs];
    const int8_t *at = values.codes + 2 * d, *next = values.next + 2 * d;
    for (const int64_t end = least(pairs, t + kPagePairs); t < end; ++t) {
      typename Codes::Words value[kLanes];
#pragma GCC unroll 8
      for (int j = 0; j < kLanes; ++j) {
        value[j] = Codes::load(at + j * kPairBytes);
        if (j % 2 == 0) fetch(next + j * kPairBytes);
      }
      at += 2 * dims;
      next += 2 * dims;
#pragma GCC unroll 16
      for (int i = 0; i < kQueries; ++i) {
        const auto weight = Codes::all(w[i * kGroupTokens / 2 + t]);
#pragma GCC unroll 8
        for (int j = 0; j < kLanes; ++j) added[i][j] = Codes::add(added[i][j], weight, value[j]);
      }
    }
  }
  const int64_t padded = pad(dims);
#pragma GCC unroll 16
  for (int i = 0; i < kQueries; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) {
      float* to = sums + i * padded + d + j * kSlots;
      add(Lanes::load(to), mul(Lanes::all(w_scales[i]), Codes::as_lanes(added[i][j]))).store(to);
    }
}

template <typename Codes, int kQueries, int kLanes = Codes::kValueLanes>
void add_code_lanes(int64_t lanes, int64_t pairs, const Word* w, const float* w_scales,
                    const CodePage* pages, int64_t dims, int64_t d, float* sums) {
  if (lanes == kLanes)
    return add_codes<Codes, kQueries, kLanes>(pairs, w, w_scales, pages, dims, d, sums);
  if constexpr (kLanes > 1)
    add_code_lanes<Codes, kQueries, kLanes - 1>(lanes, pairs, w, w_scales, pages, dims, d, sums);
}

template <typename Codes, int kQueries = Codes::kValueQueries>
void add_code_queries(int64_t queries, int64_t pairs, const Word* w, const float* w_scales,
                      const CodePage* pages, int64_t dims, float* sums) {
  if (queries == kQueries) {
    for (int64_t d = 0; d < pad(dims);) {
      const int64_t lanes = value_lanes((pad(dims) - d) / kSlots, Codes::kValueLanes);
      add_code_lanes<Codes, kQueries>(lanes, pairs, w, w_scales, pages, dims, d, sums);
      d += lanes * kSlots;
    }
  } else if constexpr (kQueries > 1) {
    add_code_queries<Codes, kQueries - 1>(queries, pairs, w, w_scales, pages, dims, sums);
  }
}

/// Adds the values of a group's `tokens` to the sums of queries `first` .. the last. A row's last
/// lanes may reach past its end, into the next one or into the page's scales: into dimensions that
/// are never looked at.
template <typename Codes>
void add_code_group(const AttentionTile& tile, int64_t group, int64_t tokens, int64_t first,
                    CodesScratch& scratch) {
  const int64_t context = tile.context[tile.queries - 1];
  CodePage pages[kGroupBlocks];
  for (int64_t b = 0; b * kSlots < tokens; ++b) {
    const int64_t token = group + b * kSlots, next = token + kGroupTokens;
    pages[b].codes = page<int8_t>(tile, tile.from.values, token);
    pages[b].next = next < context ? page<int8_t>(tile, tile.from.keys, next) : pages[b].codes;
    if (next < context) fetch(page<float>(tile, tile.from.key_scales, next));
  }
  const int64_t padded = pad(tile.head_dim);
  for (int64_t i = first; i < tile.queries; i += Codes::kValueQueries)
    add_code_queries<Codes>(least(Codes::kValueQueries, tile.queries - i), (tokens + 1) / 2,
                            reinterpret_cast<const Word*>(scratch.w + i * kGroupTokens),
                            scratch.w_scales + i, pages, tile.head_dim,
                            scratch.state.sums + i * padded);
}

template <typename Codes>
void attend_codes(const AttentionTile& tile) {
  CodesScratch scratch;
  const Word* q[kTileQueries];
  for (int64_t i = 0; i < tile.queries; ++i) {
    int16_t* codes = scratch.q + i * kMaxDim;
    scratch.q_scales[i] =
        tile.scale * to_codes(tile.q[i], tile.head_dim, tile.head_dim + tile.head_dim % 2, codes);
    q[i] = reinterpret_cast<const Word*>(codes);
  }
  start(tile, scratch.state);

  const int64_t context = tile.context[tile.queries - 1];
  int64_t first = 0;  // queries before it have met all of their context
  for (int64_t group = 0; group < context; group += kGroupTokens) {
    while (tile.context[first] <= group) ++first;
    const int64_t tokens = least(kGroupTokens, context - group);
    score_code_group<Codes>(tile, q, group, tokens, first, scratch);
    soften_group<typename Codes::Lanes>(tile, group, first, scratch.state);
    weigh_group(tile, group, tokens, first, scratch);
    add_code_group<Codes>(tile, group, tokens, first, scratch);
  }
  write_out(tile, scratch.state);
}

}  // namespace
}  // namespace tessera
