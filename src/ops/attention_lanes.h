#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/attention_tile.h"
#include "ops/float_math.h"

// The attention kernel over a type of 16 lanes, compiled once for each instruction set: internal
// linkage, and nothing inline from other headers, so that nothing leaks into other files.

namespace tessera {
namespace {

constexpr int64_t kSlots = 16;  // tokens of a page
constexpr int64_t kMaxDim = 256;
constexpr float kLowest = -0x1.fffffep+127F;

/// What a tile needs while it runs, on the stack of the thread: 130 KiB.
struct alignas(64) AttentionScratch {
  float keys[kMaxDim * kSlots];               // one block, [head_dim][16]
  float values[kGroupTokens * kMaxDim];       // a group, [64][padded head_dim]
  float sums[kTileQueries * kMaxDim];         // a of the definition, [queries][padded head_dim]
  float scores[kTileQueries * kGroupTokens];  // s, then p
  float lanes[kTileQueries * kSlots];         // l
  float largest[kTileQueries];                // m
};

inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}
inline int64_t pad(int64_t dim) {
  return (dim + kSlots - 1) / kSlots * kSlots;
}

// to[d][t] = from[t][d] for up to 16 tokens; the other slots become 0.
inline void transpose_rows(const float* from, int64_t stride, int64_t tokens, int64_t dims,
                           float* to) {
  for (int64_t t = 0; t < kSlots; t += 4) {
    int64_t d = 0;
    if (t + 4 <= tokens)
      for (; d + 4 <= dims; d += 4) {
        const float* at = from + t * stride + d;
        __m128 row0 = _mm_loadu_ps(at), row1 = _mm_loadu_ps(at + stride);
        __m128 row2 = _mm_loadu_ps(at + 2 * stride), row3 = _mm_loadu_ps(at + 3 * stride);
        _MM_TRANSPOSE4_PS(row0, row1, row2, row3);
        float* out = to + d * kSlots + t;
        _mm_storeu_ps(out, row0);
        _mm_storeu_ps(out + kSlots, row1);
        _mm_storeu_ps(out + 2 * kSlots, row2);
        _mm_storeu_ps(out + 3 * kSlots, row3);
      }
    for (; d < dims; ++d)
      for (int64_t i = t; i < t + 4; ++i)
        to[d * kSlots + i] = i < tokens ? from[i * stride + d] : 0.0F;
  }
}

/// The keys of tokens first .. first + 15 as [head_dim][16]; where they lie, or in scratch.
template <typename Lanes>
const float* load_keys(const AttentionTile& tile, int64_t first, int64_t tokens, float* scratch) {
  const KeysAndValues& from = tile.from;
  if (from.blocks == nullptr) {
    transpose_rows(static_cast<const float*>(from.keys) + first * from.key_stride, from.key_stride,
                   tokens, tile.head_dim, scratch);
    return scratch;
  }
  const int64_t at = from.blocks[first / kSlots] * from.key_stride;
  if (!from.bf16) return static_cast<const float*>(from.keys) + at;
  const auto* page = static_cast<const uint16_t*>(from.keys) + at;
  for (int64_t d = 0; d < tile.head_dim; ++d)
    Lanes::load_bf16(page + d * kSlots).store(scratch + d * kSlots);
  return scratch;
}

/// One token's value, padded with zeros to whole lanes.
template <typename Lanes, typename Load>
void load_value(int64_t dims, float* to, const Load& load) {
  int64_t d = 0;
  for (; d + kSlots <= dims; d += kSlots) load.lanes(d).store(to + d);
  for (; d < dims; ++d) to[d] = load.one(d);
  for (; d < pad(dims); ++d) to[d] = 0;
}

template <typename Lanes>
struct FromF32 {
  const float* at;
  Lanes lanes(int64_t d) const { return Lanes::load(at + d); }
  float one(int64_t d) const { return at[d]; }
};

template <typename Lanes>
struct FromBf16 {
  const uint16_t* at;
  Lanes lanes(int64_t d) const { return Lanes::load_bf16(at + d); }
  float one(int64_t d) const {
    return __builtin_bit_cast(float, static_cast<uint32_t>(at[d]) << 16);
  }
};

/// The values of tokens first .. first + tokens - 1 as [tokens][padded head_dim].
template <typename Lanes>
void load_values(const AttentionTile& tile, int64_t first, int64_t tokens, float* to) {
  const KeysAndValues& from = tile.from;
  const int64_t dims = tile.head_dim;
  for (int64_t t = 0; t < tokens; ++t, to += pad(dims)) {
    const int64_t token = first + t;
    const int64_t at = from.blocks == nullptr ? token * from.value_stride
                                              : from.blocks[token / kSlots] * from.value_stride +
                                                    token % kSlots * dims;
    if (from.bf16)
      load_value<Lanes>(dims, to, FromBf16<Lanes>{static_cast<const uint16_t*>(from.values) + at});
    else
      load_value<Lanes>(dims, to, FromF32<Lanes>{static_cast<const float*>(from.values) + at});
  }
}

/// scores[i][0..15] = scale * q[i] . keys for kQueries queries; 16 tokens side by side, each one
/// fma chain over d.
template <typename Lanes, int kQueries>
void score_block(const float* const* q, const float* keys, int64_t dims, float scale,
                 float* scores) {
  Lanes chains[kQueries];
  for (int i = 0; i < kQueries; ++i) chains[i] = Lanes::zero();
  for (int64_t d = 0; d < dims; ++d) {
    const Lanes key = Lanes::load(keys + d * kSlots);
    for (int i = 0; i < kQueries; ++i) chains[i] = fma(Lanes::all(q[i][d]), key, chains[i]);
  }
  for (int i = 0; i < kQueries; ++i)
    mul(Lanes::all(scale), chains[i]).store(scores + i * kGroupTokens);
}

template <typename Lanes, int kQueries = Lanes::kScoreQueries>
void score_queries(int64_t queries, const float* const* q, const float* keys, int64_t dims,
                   float scale, float* scores) {
  if (queries == kQueries) return score_block<Lanes, kQueries>(q, keys, dims, scale, scores);
  if constexpr (kQueries > 1)
    score_queries<Lanes, kQueries - 1>(queries, q, keys, dims, scale, scores);
}

/// sums[i][lanes of d] = one fma chain over t of p[i][t] * values[t][lanes of d], from what is
/// there.
template <typename Lanes, int kQueries, int kLanes>
void add_block(int64_t tokens, const float* p, const float* values, int64_t padded, float* sums) {
  Lanes chains[kQueries][kLanes];
  for (int i = 0; i < kQueries; ++i)
    for (int j = 0; j < kLanes; ++j) chains[i][j] = Lanes::load(sums + i * padded + j * kSlots);
  for (int64_t t = 0; t < tokens; ++t) {
    Lanes value[kLanes];
    for (int j = 0; j < kLanes; ++j) value[j] = Lanes::load(values + t * padded + j * kSlots);
    for (int i = 0; i < kQueries; ++i) {
      const Lanes weight = Lanes::all(p[i * kGroupTokens + t]);
      for (int j = 0; j < kLanes; ++j) chains[i][j] = fma(weight, value[j], chains[i][j]);
    }
  }
  for (int i = 0; i < kQueries; ++i)
    for (int j = 0; j < kLanes; ++j) chains[i][j].store(sums + i * padded + j * kSlots);
}

template <typename Lanes, int kQueries>
void add_dims(int64_t tokens, const float* p, const float* values, int64_t padded, float* sums) {
  constexpr int kWide = Lanes::kValueLanes;
  int64_t d = 0;
  for (; d + kWide * kSlots <= padded; d += kWide * kSlots)
    add_block<Lanes, kQueries, kWide>(tokens, p, values + d, padded, sums + d);
  for (; d < padded; d += kSlots)
    add_block<Lanes, kQueries, 1>(tokens, p, values + d, padded, sums + d);
}

template <typename Lanes, int kQueries = Lanes::kValueQueries>
void add_queries(int64_t queries, int64_t tokens, const float* p, const float* values,
                 int64_t padded, float* sums) {
  if (queries == kQueries) return add_dims<Lanes, kQueries>(tokens, p, values, padded, sums);
  if constexpr (kQueries > 1)
    add_queries<Lanes, kQueries - 1>(queries, tokens, p, values, padded, sums);
}

/// s -> p for one query, whose first `count` of 64 tokens are in its context; returns the factor
/// for its sums.
template <typename Lanes>
float soften(int64_t count, float* scores, float* lanes, float* largest) {
  for (int64_t t = count; t < kGroupTokens; ++t) scores[t] = kLowest;
  const Lanes top = max(max(Lanes::load(scores), Lanes::load(scores + 16)),
                        max(Lanes::load(scores + 32), Lanes::load(scores + 48)));
  alignas(64) float tops[kSlots];
  top.store(tops);
  float m = *largest;
  for (const float t : tops) m = m < t ? t : m;

  for (int64_t t = 0; t < kGroupTokens; ++t) scores[t] = exp_f32(scores[t] - m);
  for (int64_t t = count; t < kGroupTokens; ++t) scores[t] = 0;
  const float factor = exp_f32(*largest - m);
  *largest = m;

  const Lanes sum = add(add(Lanes::load(scores), Lanes::load(scores + 16)),
                        add(Lanes::load(scores + 32), Lanes::load(scores + 48)));
  add(mul(Lanes::load(lanes), Lanes::all(factor)), sum).store(lanes);
  return factor;
}

template <typename Lanes>
void scale_sums(float factor, int64_t padded, float* sums) {
  for (int64_t d = 0; d < padded; d += kSlots)
    mul(Lanes::load(sums + d), Lanes::all(factor)).store(sums + d);
}

/// Adds the values of one group to the sums of queries first .. last - 1.
template <typename Lanes>
void add_values(const AttentionTile& tile, int64_t group, int64_t first, int64_t last,
                AttentionScratch& scratch) {
  const int64_t padded = pad(tile.head_dim);
  for (int64_t i = first; i < last; i += Lanes::kValueQueries) {
    const int64_t queries = least(Lanes::kValueQueries, last - i);
    float* sums = scratch.sums + i * padded;
    const float* p = scratch.scores + i * kGroupTokens;
    // Contexts never fall, so the first query's tokens are in those of all; the rest one by one: a
    // token past a query's context takes no part, not even with weight 0.
    const int64_t common = least(kGroupTokens, tile.context[i] - group);
    add_queries<Lanes>(queries, common, p, scratch.values, padded, sums);
    for (int64_t j = 1; j < queries; ++j) {
      const int64_t rest = least(kGroupTokens, tile.context[i + j] - group) - common;
      if (rest > 0)
        add_dims<Lanes, 1>(rest, p + j * kGroupTokens + common, scratch.values + common * padded,
                           padded, sums + j * padded);
    }
  }
}

template <typename Lanes>
void write_out(const AttentionTile& tile, AttentionScratch& scratch) {
  for (int64_t i = 0; i < tile.queries; ++i) {
    float* l = scratch.lanes + i * kSlots;
    for (int64_t half = kSlots / 2; half > 0; half /= 2)
      for (int64_t lane = 0; lane < half; ++lane) l[lane] += l[lane + half];
    const float* sums = scratch.sums + i * pad(tile.head_dim);
    for (int64_t d = 0; d < tile.head_dim; ++d) tile.out[i][d] = sums[d] / l[0];
  }
}

template <typename Lanes>
void attend(const AttentionTile& tile) {
  AttentionScratch scratch;
  const int64_t dims = tile.head_dim, padded = pad(dims), queries = tile.queries;
  for (int64_t i = 0; i < queries * padded; ++i) scratch.sums[i] = 0;
  for (int64_t i = 0; i < queries * kSlots; ++i) scratch.lanes[i] = 0;
  for (int64_t i = 0; i < queries; ++i) scratch.largest[i] = kLowest;

  const int64_t context = tile.context[queries - 1];
  int64_t first = 0;  // queries before it have met all of their context
  for (int64_t group = 0; group < context; group += kGroupTokens) {
    while (tile.context[first] <= group) ++first;
    const int64_t tokens = least(kGroupTokens, context - group);
    for (int64_t block = 0; block < tokens; block += kSlots) {
      const float* keys =
          load_keys<Lanes>(tile, group + block, least(kSlots, tokens - block), scratch.keys);
      for (int64_t i = first; i < queries; i += Lanes::kScoreQueries)
        score_queries<Lanes>(least(Lanes::kScoreQueries, queries - i), tile.q + i, keys, dims,
                             tile.scale, scratch.scores + i * kGroupTokens + block);
    }
    for (int64_t i = first; i < queries; ++i) {
      const int64_t count = least(kGroupTokens, tile.context[i] - group);
      const float factor = soften<Lanes>(count, scratch.scores + i * kGroupTokens,
                                         scratch.lanes + i * kSlots, scratch.largest + i);
      if (factor != 1.0F) scale_sums<Lanes>(factor, padded, scratch.sums + i * padded);
    }
    load_values<Lanes>(tile, group, tokens, scratch.values);
    add_values<Lanes>(tile, group, first, queries, scratch);
  }
  write_out<Lanes>(tile, scratch);
}

}  // namespace
}  // namespace tessera
