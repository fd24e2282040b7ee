#pragma once

#include <cstdint>

#include "device/stream.h"
#include "tensor/tensor.h"
#include "tessera/kv_format.h"

namespace tessera {

/// Tokens of one block, the page of the KV cache: the 16 scores of a query with a block are one
/// AVX-512 register.
inline constexpr int64_t kBlockTokens = 16;

/// One layer's keys and values, in blocks. Inside a block the keys of all heads come first, then
/// the values; keys stand dimension by dimension, so that 16 scores are computed side by side:
///
///   f32    [blocks] { keys [kv_heads][head_dim][16 tokens],
///                     values [kv_heads][16 tokens][head_dim] }
///   bf16   [blocks] { keys [kv_heads][head_dim / 2][16 tokens][2 dimensions],
///                     values [kv_heads][8][head_dim][2 tokens] }
///   int8   [blocks] { keys [kv_heads] { codes as of bf16, scales f32 [16 tokens] },
///                     values [kv_heads] { codes as of bf16, scales f32 [16 tokens] } }
///
/// An odd head_dim's last pair has 0 beside it. In int8 a number is its code, -127 to 127, times
/// the scale of its token's key or value: that of the largest |number| over 127 (code_scale.h). A
/// block is contiguous: it is copied or moved as a whole. A view: never frees. `data` is null on
/// simulated devices.
struct KvPages {
  void* data = nullptr;
  Device* device = nullptr;
  KvFormat format = KvFormat::kF32;
  int64_t blocks = 0, kv_heads = 0, head_dim = 0;

  /// Bytes of one head's keys, or values, in one block, of them scales; and of a whole block.
  int64_t key_bytes() const;
  int64_t value_bytes() const;
  int64_t scale_bytes() const;
  int64_t block_bytes() const { return kv_heads * (key_bytes() + value_bytes()); }

  /// What to allocate for `blocks` blocks.
  static uint64_t bytes(KvFormat format, int64_t blocks, int64_t kv_heads, int64_t head_dim);
};

/// Where the rows of a micro-batch stand: row r is token positions[r] of the sequence whose blocks
/// are blocks[sequence[r], :]; token t lies in block blocks[s, t / 16], slot t % 16.
struct BatchRows {
  Tensor positions;         ///< i32 [rows]
  Tensor sequence;          ///< i32 [rows]: a row of `blocks`; rows of one sequence stand together
  Tensor blocks;            ///< i32 [sequences, max_blocks]: page ids, in order of tokens
  int64_t max_context = 0;  ///< largest position + 1
  int64_t context_tokens = 0;  ///< sum over rows of position + 1; 0: rows * max_context is assumed
};

/// Writes each row's key and value into its slot, rounded to the pages' format.
///
///   k, v   f32 [rows, kv_heads * head_dim], rows may be strided
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as said. A
/// position or page id out of range breaks the stream.
void kv_append(Stream& stream, const Tensor& k, const Tensor& v, const BatchRows& rows,
               KvPages& pages);

}  // namespace tessera
