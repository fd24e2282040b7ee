#include <cstring>

#include "ops/amx_tiles.h"
#include "ops/attention_lanes.h"
#include "ops/flush_denormals.h"
#include "ops/lanes_avx512_bf16.h"

// Attention over bf16 pages by AMX. Keys and values lie in their pages as its second operand wants
// them: pairs of dimensions, of 16 tokens; pairs of tokens, of 16 dimensions.

namespace tessera {
namespace {

constexpr int64_t kPairs = kSlots / 2;  // of a page's tokens
constexpr int64_t kWordBytes = sizeof(Word), kQueryStride = kMaxDim / 2;
constexpr int64_t kDepth = kLineBytes / kWordBytes;  // pairs of dimensions of a register

/// Queries that share registers.
struct Block {
  int64_t first, last;
};

/// More than 16 queries are two blocks of 16; rows that the second does not have are computed of
/// whatever lies there. Registers 0 to 3: sums, of four pages of keys or four times 16 dimensions
/// of values; 4 and 6: queries and keys, 32 dimensions; 5 and 7: the 16 that may be left of them;
/// softmax weights and values, the tokens of a page.
void shape_for(int64_t queries) {
  const int64_t rows = least(queries, kSide);
  shape_tiles(
      {{rows}, {rows}, {rows}, {rows}, {rows}, {rows, kPairs * kWordBytes}, {kSide}, {kPairs}});
}

/// Into the L2 cache, where a register's `rows` will be loaded from.
inline void fetch_rows(const Word* at, int64_t rows, int64_t stride) {
  for (int64_t r = 0; r < rows; ++r) fetch(at + r * stride);
}

/// scores[query][0 .. 16 kPages - 1] = q . keys, not scaled yet.
template <int kPages>
void score_pages(const Word* q, const Word* const* keys, const Word* const* next, int64_t words,
                 float* scores) {
  constexpr int64_t kStride = kGroupTokens * kWordBytes;
  _tile_zero(0);
  if constexpr (kPages > 1) _tile_zero(1);
  if constexpr (kPages > 2) _tile_zero(2);
  if constexpr (kPages > 3) _tile_zero(3);
  const auto bring = [&](int64_t word, int64_t rows) {
    for (int p = 0; p < kPages; ++p)
      if (next[p] != nullptr) fetch_rows(next[p] + word * kSlots, rows, kSlots);
  };
  int64_t word = 0;
  for (; word + kDepth <= words; word += kDepth) {
    _tile_loadd(4, q + word, kQueryStride * kWordBytes);
    _tile_loadd(6, keys[0] + word * kSlots, kLineBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kPages > 1) {
      _tile_loadd(6, keys[1] + word * kSlots, kLineBytes);
      _tile_dpbf16ps(1, 4, 6);
    }
    if constexpr (kPages > 2) {
      _tile_loadd(6, keys[2] + word * kSlots, kLineBytes);
      _tile_dpbf16ps(2, 4, 6);
    }
    if constexpr (kPages > 3) {
      _tile_loadd(6, keys[3] + word * kSlots, kLineBytes);
      _tile_dpbf16ps(3, 4, 6);
    }
    bring(word, kDepth);
  }
  if (word < words) {
    _tile_loadd(5, q + word, kQueryStride * kWordBytes);
    _tile_loadd(7, keys[0] + word * kSlots, kLineBytes);
    _tile_dpbf16ps(0, 5, 7);
    if constexpr (kPages > 1) {
      _tile_loadd(7, keys[1] + word * kSlots, kLineBytes);
      _tile_dpbf16ps(1, 5, 7);
    }
    if constexpr (kPages > 2) {
      _tile_loadd(7, keys[2] + word * kSlots, kLineBytes);
      _tile_dpbf16ps(2, 5, 7);
    }
    if constexpr (kPages > 3) {
      _tile_loadd(7, keys[3] + word * kSlots, kLineBytes);
      _tile_dpbf16ps(3, 5, 7);
    }
    bring(word, kPairs);
  }
  _tile_stored(0, scores, kStride);
  if constexpr (kPages > 1) _tile_stored(1, scores + kSlots, kStride);
  if constexpr (kPages > 2) _tile_stored(2, scores + 2 * kSlots, kStride);
  if constexpr (kPages > 3) _tile_stored(3, scores + 3 * kSlots, kStride);
}

constexpr decltype(&score_pages<1>) kScorePages[] = {score_pages<1>, score_pages<2>, score_pages<3>,
                                                     score_pages<4>};

/// sums[query][d .. d + 16 kLanes - 1] += p . values, page by page.
template <int kLanes>
void add_pages(const Word* p, const Word* const* values, const Word* const* next, int64_t pages,
               int64_t dims, int64_t d, float* sums) {
  const int64_t stride = dims * kWordBytes;
  float* to = sums + d;
  _tile_loadd(0, to, stride);
  if constexpr (kLanes > 1) _tile_loadd(1, to + kSlots, stride);
  if constexpr (kLanes > 2) _tile_loadd(2, to + 2 * kSlots, stride);
  if constexpr (kLanes > 3) _tile_loadd(3, to + 3 * kSlots, stride);
  for (int64_t page = 0; page < pages; ++page) {
    const Word* at = values[page] + d;
    _tile_loadd(5, p + page * kPairs, kGroupTokens * kWordBytes);
    _tile_loadd(7, at, stride);
    _tile_dpbf16ps(0, 5, 7);
    if constexpr (kLanes > 1) {
      _tile_loadd(7, at + kSlots, stride);
      _tile_dpbf16ps(1, 5, 7);
    }
    if constexpr (kLanes > 2) {
      _tile_loadd(7, at + 2 * kSlots, stride);
      _tile_dpbf16ps(2, 5, 7);
    }
    if constexpr (kLanes > 3) {
      _tile_loadd(7, at + 3 * kSlots, stride);
      _tile_dpbf16ps(3, 5, 7);
    }
    if (next[page] != nullptr)
      for (int lane = 0; lane < kLanes; ++lane)
        fetch_rows(next[page] + d + lane * kSlots, kPairs, dims);
  }
  _tile_stored(0, to, stride);
  if constexpr (kLanes > 1) _tile_stored(1, to + kSlots, stride);
  if constexpr (kLanes > 2) _tile_stored(2, to + 2 * kSlots, stride);
  if constexpr (kLanes > 3) _tile_stored(3, to + 3 * kSlots, stride);
}

constexpr int64_t kMostLanes = 4;
constexpr decltype(&add_pages<1>) kAddPages[] = {add_pages<1>, add_pages<2>, add_pages<3>,
                                                 add_pages<4>};

/// The pages of a group, and those that are read after them.
struct GroupPages {
  const Word* now[kGroupBlocks] = {};
  const Word* next[kGroupBlocks] = {};
};

void score_group(const AttentionTile& tile, int64_t group, Block block, bool fetches,
                 AttentionScratch& scratch) {
  const int64_t tokens = group_tokens(tile, block.last - 1, group);
  const int64_t pages = (tokens + kSlots - 1) / kSlots;
  GroupPages keys;
  for (int64_t b = 0; b < pages; ++b) {
    keys.now[b] = page<Word>(tile, tile.from.keys, group + b * kSlots);
    const int64_t next = group + kGroupTokens + b * kSlots;
    if (fetches && next < tile.context[tile.queries - 1])
      keys.next[b] = page<Word>(tile, tile.from.keys, next);
  }
  float* scores = scratch.state.scores + block.first * kGroupTokens;
  kScorePages[pages - 1](scratch.q + block.first * kQueryStride, keys.now, keys.next,
                         tile.head_dim / 2, scores);
  settle_memory();
  const auto scale = LanesAvx512::all(tile.scale);
  for (int64_t i = 0; i < (block.last - block.first) * kGroupTokens; i += kSlots)
    mul(scale, LanesAvx512::load(scores + i)).store(scores + i);
}

/// The values of a group's first `tokens`: a page that holds more than these is copied, with zeros
/// for what lies there, which may be anything, even NaN.
GroupPages values_of(const AttentionTile& tile, int64_t group, int64_t tokens, Word* room) {
  GroupPages values;
  const int64_t whole = tokens / kSlots, rest = tokens % kSlots, dims = tile.head_dim;
  for (int64_t b = 0; b < whole; ++b)
    values.now[b] = page<Word>(tile, tile.from.values, group + b * kSlots);
  if (rest == 0) return values;
  const Word* from = page<Word>(tile, tile.from.values, group + whole * kSlots);
  for (int64_t pair = 0; pair < kPairs; ++pair) {
    const int64_t left = rest - 2 * pair;
    const Word kept = left > 1 ? 0xffffffff : left == 1 ? 0xffff : 0;
    for (int64_t d = 0; d < dims; ++d) room[pair * dims + d] = from[pair * dims + d] & kept;
  }
  values.now[whole] = room;
  return values;
}

/// Whether all values of tokens [first, last) are numbers.
bool are_finite(const GroupPages& values, int64_t first, int64_t last, int64_t dims) {
  constexpr Word kExponents = 0x7f807f80;
  Word odd = 0;
  for (int64_t pair = first / 2; pair < (last + 1) / 2; ++pair) {
    const Word* at = values.now[pair / kPairs] + pair % kPairs * dims;
    for (int64_t d = 0; d < dims; ++d) {  // an exponent of ones carries into the bit above it
      const Word carried = (at[d] & kExponents) + 0x00800080;
      odd |= carried & 0x80008000;
    }
  }
  return odd == 0;
}

void add_values(const AttentionTile& tile, int64_t group, Block block, bool fetches,
                AttentionScratch& scratch) {
  const int64_t dims = tile.head_dim, context = tile.context[tile.queries - 1];
  const int64_t fewest = group_tokens(tile, block.first, group);
  const int64_t tokens = group_tokens(tile, block.last - 1, group);
  if (tokens <= 0) return;
  GroupPages values = values_of(tile, group, tokens, scratch.values);
  // Past a query's context its weights are 0, and 0 times a number is nothing; but times NaN it is
  // not, and such tokens take no part: one query at a time, to the same bits.
  if (fewest < tokens && !are_finite(values, fewest < 0 ? 0 : fewest, tokens, dims)) {
    shape_for(1);
    for (int64_t i = block.first; i < block.last; ++i)
      add_values(tile, group, {i, i + 1}, false, scratch);
    return shape_for(tile.queries);
  }
  const int64_t pages = (tokens + kSlots - 1) / kSlots;
  if (fetches)
    for (int64_t b = 0; b < pages; ++b) {
      const int64_t next = group + kGroupTokens + b * kSlots;
      if (next < context) values.next[b] = page<Word>(tile, tile.from.values, next);
    }
  settle_memory();
  for (int64_t d = 0; d < dims;) {
    const int64_t lanes = value_lanes((dims - d) / kSlots, kMostLanes);
    kAddPages[lanes - 1](scratch.p + block.first * kGroupTokens, values.now, values.next, pages,
                         dims, d, scratch.state.sums + block.first * dims);
    d += lanes * kSlots;
  }
  settle_memory();
}

void attend_by_tiles(const AttentionTile& tile) {
  AttentionScratch scratch;
  SoftmaxState& state = scratch.state;
  const int64_t queries = tile.queries;
  for (int64_t i = 0; i < queries; ++i)
    as_words<PairsBf16>(tile.q[i], tile.head_dim, scratch.q + i * kQueryStride);
  start(tile, state);
  settle_memory();
  shape_for(queries);

  const int64_t context = tile.context[queries - 1];
  int64_t first = 0;  // queries before it have met all of their context
  for (int64_t group = 0; group < context; group += kGroupTokens) {
    for (; tile.context[first] <= group; ++first)  // still in its block's registers: weighs nothing
      memset(scratch.p + first * kGroupTokens, 0, kGroupTokens / 2 * kWordBytes);
    const int64_t first_block = first / kSide * kSide;
    for (int64_t i = first_block; i < queries; i += kSide)
      score_group(tile, group, {i, least(i + kSide, queries)}, i == first_block, scratch);
    soften_group<LanesAvx512>(tile, group, first, state);
    for (int64_t i = first; i < queries; ++i)
      as_words<PairsBf16>(state.scores + i * kGroupTokens, kGroupTokens,
                          scratch.p + i * kGroupTokens);
    for (int64_t i = first_block; i < queries; i += kSide)
      add_values(tile, group, {i, least(i + kSide, queries)}, i == first_block, scratch);
  }
  _tile_release();
  write_out(tile, state);
}

}  // namespace

void attend_amx_bf16(const AttentionTile& tile) {
  if (tile.head_dim % kSlots != 0) return attend_avx512_bf16(tile);
  const FlushDenormals flush;
  attend_by_tiles(tile);
}

}  // namespace tessera
