#pragma once

#include <cstdint>

#include "tessera/kv_format.h"

namespace tessera {

/// Queries that one task computes together: what they share is read once for all of them.
inline constexpr int64_t kTileQueries = 32;

/// Tokens between two rescalings of the online softmax. Groups are counted from token 0, so a
/// row's sums do not depend on the chunk that it came in.
inline constexpr int64_t kGroupTokens = 64;

/// Keys and values of one kv head in pages (kv_cache.h): token t lies in slot t % 16 of page
/// blocks[t / 16].
struct KeysAndValues {
  const void* keys = nullptr;  ///< of page 0, as the others
  const void* values = nullptr;
  const float* key_scales = nullptr;  ///< int8 only
  const float* value_scales = nullptr;
  const int32_t* blocks = nullptr;
  int64_t stride = 0;  ///< bytes from one page to the next
  KvFormat format = KvFormat::kF32;
};

/// Queries that attend to the same keys, as the kernels see them: raw pointers and no inline
/// functions, because it is compiled for several instruction sets. out may be q.
struct AttentionTile {
  const float* q[kTileQueries];
  float* out[kTileQueries];
  int64_t context[kTileQueries];  ///< query i attends to tokens 0 .. context[i] - 1; never falling
  int64_t queries = 0;
  int64_t head_dim = 0;
  float scale = 1;  ///< of scores, times log2(e), as their softmax is made of powers of two
  KeysAndValues from;
};

// The definition, with c the number of tokens, in groups of 64, lane = token % 16:
//
//   s[t]     = (scale * log2(e)) * (one fma chain over d of q[d] * key[t][d], from 0)
//   m'       = the larger of m (at first the lowest f32) and all s[t] of the group
//   p[t]     = 2^(s[t] - m'); c = 2^(m - m'), both by exp2_f32_of_negative
//   l[lane]  = l[lane] * c + ((p[lane] + p[lane + 16]) + (p[lane + 32] + p[lane + 48]))
//   a[d]     = a[d] * c, then one fma chain over t of p[t] * value[t][d]
//   out[d]   = a[d] / (the 16 l added in halves: 8 + 8, 4 + 4, 2 + 2, 1 + 1)
//
// p[t] = 0 for tokens of the last group past the context, which take no part in the chain of a.
//
// Over bf16 pages q and, in the chain of a, p are rounded to bf16, the chains go over 1, 0, 3, 2,
// .. and denormal numbers are taken as 0: what the processors' bf16 instruction does
// (matmul_tile.h).
//
// AMX has its own order of bf16 products (matmul_amx_bf16.cc), where head_dim is a multiple of 16:
// over d in blocks of 32, the last of 16 perhaps, and over t in blocks of 16, a page each.
//
// Over int8 pages q and p become whole numbers of 16 bits, so that codes are multiplied as they
// are, and sums in 32 bits are exact in any order. With [x] the code of x and its scale
// (code_scale.h):
//
//   [q[d]]   of q over d, up to 32767: worth q_scale
//   s[t]     = (key_scale[t] * (scale * log2(e) * q_scale))
//              * (sum over d of [q[d]] * key_code[t][d])
//   [w[t]]   of w[t] = p[t] * value_scale[t] over the group's tokens, up to 32767: worth w_scale
//   a[d]     = a[d] * c + w_scale * (sum over the group's t of [w[t]] * value_code[t][d])
//
// This loses less than rounding q and p to bf16, and costs less: widening 32 codes is one
// instruction, and there is one that multiplies and adds pairs of 16 bits, as for bf16.
void attend_plain(const AttentionTile& tile);
void attend_avx2(const AttentionTile& tile);
void attend_avx512(const AttentionTile& tile);
void attend_avx512_vnni(const AttentionTile& tile);  // int8 pages only
void attend_avx512_bf16(const AttentionTile& tile);  // bf16 pages only
void attend_amx_bf16(const AttentionTile& tile);     // bf16 pages only
/// Its part for int8 pages.
void attend_codes_plain(const AttentionTile& tile);

}  // namespace tessera
