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

// The registers of a product, by how many pairs of inputs it takes.
struct Whole {
  static constexpr int64_t kPairsOfInputs = kDepth;
  static void load_left(const Word* at, int64_t stride) { _tile_loadd(4, at, stride); }
  static void load_right(const Word* at, int64_t stride) { _tile_loadd(6, at, stride); }
  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 4, 6);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 4, 6);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 4, 6);
  }
};
struct Half {
  static constexpr int64_t kPairsOfInputs = kPairs;
  static void load_left(const Word* at, int64_t stride) { _tile_loadd(5, at, stride); }
  static void load_right(const Word* at, int64_t stride) { _tile_loadd(7, at, stride); }
  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 5, 7);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 5, 7);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 5, 7);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 5, 7);
  }
};

/// Where the right operands of sums 0, 1, .. stand; and what to fetch for later, or null.
using Rights = const Word* [kGroupBlocks];

/// sum i += left . right[i], rows of the right ones `stride` words apart.
template <typename Inputs, int kSums, int kSum = 0>
void add_products(const Rights& right, const Rights& next, int64_t offset, int64_t stride) {
  Inputs::load_right(right[kSum] + offset, stride * kWordBytes);
  Inputs::template multiply<kSum>();
  if (next[kSum] != nullptr)
    for (int64_t r = 0; r < Inputs::kPairsOfInputs; ++r) fetch(next[kSum] + offset + r * stride);
  if constexpr (kSum + 1 < kSums)
    add_products<Inputs, kSums, kSum + 1>(right, next, offset, stride);
}

/// The pages of a group's first tokens, of keys or of values, and what is read after them: those of
/// the next group, or null.
struct GroupPages {
  int64_t count = 0;
  Rights now = {}, next = {};
};

GroupPages pages_of(const AttentionTile& tile, const void* base, int64_t group, int64_t tokens,
                    bool fetches) {
  GroupPages pages;
  pages.count = (tokens + kSlots - 1) / kSlots;
  for (int64_t b = 0; b < pages.count; ++b) {
    const int64_t token = group + b * kSlots, next = token + kGroupTokens;
    pages.now[b] = page<Word>(tile, base, token);
    if (fetches && next < tile.context[tile.queries - 1])
      pages.next[b] = page<Word>(tile, base, next);
  }
  return pages;
}

/// scores[query][0 .. 16 kPages - 1] = q . keys, not scaled yet, over `words` pairs of dimensions.
template <int kPages>
void score_pages(const Word* q, const GroupPages& keys, int64_t words, float* scores) {
  zero_sums<kPages>();
  int64_t word = 0;
  for (; word + kDepth <= words; word += kDepth) {
    Whole::load_left(q + word, kQueryStride * kWordBytes);
    add_products<Whole, kPages>(keys.now, keys.next, word * kSlots, kSlots);
  }
  if (word < words) {
    Half::load_left(q + word, kQueryStride * kWordBytes);
    add_products<Half, kPages>(keys.now, keys.next, word * kSlots, kSlots);
  }
  store_sums<kPages>(scores, kGroupTokens * kWordBytes);
}

constexpr decltype(&score_pages<1>) kScorePages[] = {score_pages<1>, score_pages<2>, score_pages<3>,
                                                     score_pages<4>};

/// sums[query][d .. d + 16 kLanes - 1] += p . values, page by page.
template <int kLanes>
void add_pages(const Word* p, const GroupPages& values, int64_t dims, int64_t d, float* sums) {
  load_sums<kLanes>(sums + d, dims * kWordBytes);
  for (int64_t b = 0; b < values.count; ++b) {
    Rights right = {}, next = {};
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      right[lane] = values.now[b] + d + lane * kSlots;
      if (values.next[b] != nullptr) next[lane] = values.next[b] + d + lane * kSlots;
    }
    Half::load_left(p + b * kPairs, kGroupTokens * kWordBytes);
    add_products<Half, kLanes>(right, next, 0, dims);
  }
  store_sums<kLanes>(sums + d, dims * kWordBytes);
}

constexpr int64_t kMostLanes = 4;
constexpr decltype(&add_pages<1>) kAddPages[] = {add_pages<1>, add_pages<2>, add_pages<3>,
                                                 add_pages<4>};

void score_group(const AttentionTile& tile, int64_t group, Block block, bool fetches,
                 AttentionScratch& scratch) {
  const int64_t tokens = group_tokens(tile, block.last - 1, group);
  const GroupPages keys = pages_of(tile, tile.from.keys, group, tokens, fetches);
  float* scores = scratch.state.scores + block.first * kGroupTokens;
  kScorePages[keys.count - 1](scratch.q + block.first * kQueryStride, keys, tile.head_dim / 2,
                              scores);
  settle_memory();
  const auto scale = LanesAvx512::all(tile.scale);
  for (int64_t i = 0; i < (block.last - block.first) * kGroupTokens; i += kSlots)
    mul(scale, LanesAvx512::load(scores + i)).store(scores + i);
}

/// As pages_of; but a page that holds more than the `tokens` is copied to `room`, with zeros for
/// what lies there, which may be anything, even NaN.
GroupPages values_of(const AttentionTile& tile, int64_t group, int64_t tokens, bool fetches,
                     Word* room) {
  GroupPages values = pages_of(tile, tile.from.values, group, tokens, fetches);
  const int64_t rest = tokens % kSlots, dims = tile.head_dim;
  if (rest == 0) return values;
  const Word*& last = values.now[values.count - 1];
  for (int64_t pair = 0; pair < kPairs; ++pair) {
    const int64_t left = rest - 2 * pair;
    const Word kept = left > 1 ? 0xffffffff : left == 1 ? 0xffff : 0;
    for (int64_t d = 0; d < dims; ++d) room[pair * dims + d] = last[pair * dims + d] & kept;
  }
  last = room;
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
  const int64_t dims = tile.head_dim;
  const int64_t fewest = group_tokens(tile, block.first, group);
  const int64_t tokens = group_tokens(tile, block.last - 1, group);
  if (tokens <= 0) return;
  const GroupPages values = values_of(tile, group, tokens, fetches, scratch.values);
  // Past a query's context its weights are 0, and 0 times a number is nothing; but times NaN it is
  // not, and such tokens take no part: one query at a time, to the same bits.
  if (fewest < tokens && !are_finite(values, fewest < 0 ? 0 : fewest, tokens, dims)) {
    shape_for(1);
    for (int64_t i = block.first; i < block.last; ++i)
      add_values(tile, group, {i, i + 1}, false, scratch);
    return shape_for(tile.queries);
  }
  settle_memory();
  for (int64_t d = 0; d < dims;) {
    const int64_t lanes = value_lanes((dims - d) / kSlots, kMostLanes);
    kAddPages[lanes - 1](scratch.p + block.first * kGroupTokens, values, dims, d,
                         scratch.state.sums + block.first * dims);
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
