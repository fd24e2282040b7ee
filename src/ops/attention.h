#pragma once

#include "device/stream.h"
#include "ops/kv_cache.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace tessera {

/// Largest head_dim of the attention ops: what a tile of queries may take of a thread's stack.
inline constexpr int64_t kMaxHeadDim = 256;

/// Causal attention over cached keys and values. For row r at position p of its sequence, head h,
/// kv head g = h / (heads / kv_heads), over the tokens t = 0 .. p of that sequence:
///
///   out[r, h, :] = sum over t of softmax over t (scale * q[r, h, :] . key[t, g, :]) * value[t, g,
///   :]
///
///   q, out   f32 [rows, heads * head_dim], rows may be strided; out may be q
///   pages    this layer's, with the rows' own tokens already in place (kv_append)
///   heads    a multiple of pages.kv_heads, any ratio
///   scale    head_dim^-0.5 as a rule
///
/// All on the stream's device; needs no memory. The softmax is computed online, 64 tokens at a time
/// counted from token 0, in f32; over bf16 pages with queries and weights rounded to bf16
/// (attention_tile.h has the order of all additions): a row's bits depend on its own query and its
/// sequence, never on the chunk it came in, the other rows or the threads. Throws Error when a
/// shape, dtype or device is not as above. A position, sequence or page id out of range breaks the
/// stream. Source: Milakov and Gimelshein 2018, arXiv:1805.02867, algorithm 3; Dao et al. 2022,
/// arXiv:2205.14135; pages as in Kwon et al. 2023, arXiv:2309.06180.
void paged_attention(Stream& stream, const Tensor& q, const KvPages& pages, const BatchRows& rows,
                     int64_t heads, float scale, Tensor& out);

/// Attention of every token to every token: the vision tower.
///
///   arena          room for the keys and values as pages of `dtype`, f32 or bf16
///   q, k, v, out   f32 [tokens, heads * head_dim], rows may be strided; out may be q
///
/// Otherwise as paged_attention, over such pages.
void full_attention(Stream& stream, Arena& arena, const Tensor& q, const Tensor& k, const Tensor& v,
                    DType dtype, int64_t heads, float scale, Tensor& out);

}  // namespace tessera
