#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/attention_pages.h"
#include "ops/float_math.h"
#include "ops/least.h"

// What the attention kernels share: the online softmax over a type of 16 lanes. Compiled
// once for each instruction set: internal linkage, and nothing inline from other headers, so that
// nothing leaks into other files.

namespace tessera {
namespace {

using Word = uint32_t __attribute__((may_alias));  // words of f32 are those very floats

constexpr int64_t kGroupBlocks = kGroupTokens / kSlots;
constexpr int64_t kMaxDim = 256;
constexpr float kLowest = -0x1.fffffep+127F;

/// How far a tile's queries have come, on the stack of the thread: 43 KiB.
struct alignas(64) SoftmaxState {
  float sums[kTileQueries * kMaxDim];         // a of the definition, [queries][padded head_dim]
  float scores[kTileQueries * kGroupTokens];  // s, then p
  float lanes[kTileQueries * kSlots];         // l
  float largest[kTileQueries];                // m
};

inline int64_t pad(int64_t dim) {
  return (dim + kSlots - 1) / kSlots * kSlots;
}

/// The width of the next block of a row's values that has `left` lanes more, `most` at a time: few
/// blocks, all about as wide, as a narrow one's few chains would wait for each other.
inline int64_t value_lanes(int64_t left, int64_t most) {
  const int64_t blocks = (left + most - 1) / most;
  return (left + blocks - 1) / blocks;
}

// Into the L2 cache, which has more misses in flight than the L1 cache: keys ask for the values of
// their group, and values for the keys of the next.
inline void fetch(const void* at) {
  _mm_prefetch(static_cast<const char*>(at), _MM_HINT_T1);
}

inline void start(const AttentionTile& tile, SoftmaxState& state) {
  for (int64_t i = 0; i < tile.queries * pad(tile.head_dim); ++i) state.sums[i] = 0;
  for (int64_t i = 0; i < tile.queries * kSlots; ++i) state.lanes[i] = 0;
  for (int64_t i = 0; i < tile.queries; ++i) state.largest[i] = kLowest;
}

/// The tokens of a group that query i attends to.
inline int64_t group_tokens(const AttentionTile& tile, int64_t i, int64_t group) {
  return least(kGroupTokens, tile.context[i] - group);
}

/// The larger of m and a query's scores with a group, of which the first `count` are in its
/// context; the others are set so low that they change nothing. Few groups have a score above m:
/// only they are searched for which.
template <typename Lanes>
float larger(float m, int64_t count, float* scores) {
  for (int64_t t = count; t < kGroupTokens; ++t) scores[t] = kLowest;
  const Lanes most = max(max(Lanes::load(scores), Lanes::load(scores + 16)),
                         max(Lanes::load(scores + 32), Lanes::load(scores + 48)));
  return most.any_above(m) ? most.largest() : m;
}

/// s -> p for one query, and p's sums by lane.
template <typename Lanes>
void soften(int64_t count, float m, float factor, float* scores, float* lanes) {
  for (int64_t t = 0; t < kGroupTokens; ++t) scores[t] = exp2_f32_of_negative(scores[t] - m);
  for (int64_t t = count; t < kGroupTokens; ++t) scores[t] = 0;
  const Lanes sum = add(add(Lanes::load(scores), Lanes::load(scores + 16)),
                        add(Lanes::load(scores + 32), Lanes::load(scores + 48)));
  add(mul(Lanes::load(lanes), Lanes::all(factor)), sum).store(lanes);
}

template <typename Lanes>
void scale_sums(float factor, int64_t padded, float* sums) {
  for (int64_t d = 0; d < padded; d += kSlots)
    mul(Lanes::load(sums + d), Lanes::all(factor)).store(sums + d);
}

/// Scores of a group -> softmax weights, of queries first .. the last. In passes over the queries:
/// each step waits long for its result, and another query's can go on meanwhile.
template <typename Lanes>
void soften_group(const AttentionTile& tile, int64_t group, int64_t first, SoftmaxState& state) {
  const int64_t padded = pad(tile.head_dim);
  float factors[kTileQueries];
  for (int64_t i = first; i < tile.queries; ++i) {
    float& m = state.largest[i];
    const float most =
        larger<Lanes>(m, group_tokens(tile, i, group), state.scores + i * kGroupTokens);
    factors[i] = 1;
    if (!(m < most)) continue;  // NaN too
    factors[i] = exp2_f32_of_negative(m - most);
    m = most;
    scale_sums<Lanes>(factors[i], padded, state.sums + i * padded);
  }
  for (int64_t i = first; i < tile.queries; ++i)
    soften<Lanes>(group_tokens(tile, i, group), state.largest[i], factors[i],
                  state.scores + i * kGroupTokens, state.lanes + i * kSlots);
}

inline void write_out(const AttentionTile& tile, SoftmaxState& state) {
  for (int64_t i = 0; i < tile.queries; ++i) {
    float* l = state.lanes + i * kSlots;
    for (int64_t half = kSlots / 2; half > 0; half /= 2)
      for (int64_t lane = 0; lane < half; ++lane) l[lane] += l[lane + half];
    const float* sums = state.sums + i * pad(tile.head_dim);
    for (int64_t d = 0; d < tile.head_dim; ++d) tile.out[i][d] = sums[d] / l[0];
  }
}

}  // namespace
}  // namespace tessera
