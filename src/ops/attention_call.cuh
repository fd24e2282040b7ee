#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/kernel.cuh"
#include "device/cuda_queue.h"
#include "ops/fault.cuh"
#include "ops/kv_cache.h"

// What the attention kernels are handed, and who launches which.

namespace tessera {

/// kBlockTokens as kernels count.
inline constexpr int kPageTokens = static_cast<int>(kBlockTokens);

/// Tokens that a warp meets at once: two pages.
inline constexpr int kStepTokens = 32;

/// Tokens whose softmax is computed on its own, counted from token 0. The only places where the
/// work on one row may be cut.
inline constexpr int kSplitTokens = 256;

/// Below every score that counts; what CPUs start with too (ops/attention_softmax.h).
inline constexpr float kLowestScore = -0x1.fffffep+127F;

/// One call of an attention op, with device addresses; passed to kernels by value.
struct AttentionCall {
  const float* q;
  float* out;
  int64_t q_stride, out_stride;  ///< numbers from row to row
  int64_t rows;
  const int32_t* positions;  ///< null: every row attends to all tokens of the one sequence
  const int32_t* sequence;
  const int32_t* blocks;  ///< null: page i holds tokens 16 i ..
  int64_t sequences, blocks_stride;
  int64_t max_context;
  const std::byte* pages;
  int64_t page_count, block_bytes, key_bytes, value_bytes;
  int heads, kv_heads, head_dim;
  float scale;       ///< of scores, times log2(e), as their softmax is made of powers of two
  bool out_aligned;  ///< four numbers may be written as one word
  KernelFault* fault;
};

/// The tokens that a row attends to; 0, and a fault, where it stands nowhere.
__device__ inline int row_context(const AttentionCall& call, int64_t row) {
  if (call.positions == nullptr) return static_cast<int>(call.max_context);
  const int position = call.positions[row];
  if (!check_number(call.fault, FaultKind::kPosition, position, call.max_context) ||
      !check_number(call.fault, FaultKind::kSequence, call.sequence[row], call.sequences))
    return 0;
  return position + 1;
}

__device__ inline int row_sequence(const AttentionCall& call, int64_t row) {
  return call.sequence == nullptr ? 0 : call.sequence[row];
}

/// The page of tokens 16 index .. of a sequence; -1, and a fault, where there is none.
__device__ inline int page_of(const AttentionCall& call, int64_t sequence, int64_t index) {
  if (call.blocks == nullptr) return static_cast<int>(index);
  const int page = call.blocks[sequence * call.blocks_stride + index];
  return check_number(call.fault, FaultKind::kPage, page, call.page_count) ? page : -1;
}

__device__ inline const std::byte* keys_of(const AttentionCall& call, int64_t page, int kv_head) {
  return call.pages + page * call.block_bytes + kv_head * call.key_bytes;
}

__device__ inline const std::byte* values_of(const AttentionCall& call, int64_t page, int kv_head) {
  return keys_of(call, page, call.kv_heads) + kv_head * call.value_bytes;
}

/// Writes four numbers of a row's out, of those the ones below head_dim.
__device__ inline void store_out(const AttentionCall& call, int64_t row, int head, int d,
                                 const float4& four) {
  float* to = call.out + row * call.out_stride + static_cast<int64_t>(head) * call.head_dim + d;
  const int count = call.head_dim - d;
  if (call.out_aligned && count >= 4) {
    *reinterpret_cast<float4*>(to) = four;
    return;
  }
  if (count > 0) to[0] = four.x;
  if (count > 1) to[1] = four.y;
  if (count > 2) to[2] = four.z;
  if (count > 3) to[3] = four.w;
}

/// Over f32 pages, to the bits of the CPUs.
void attend_floats(const CudaQueue& queue, const AttentionCall& call);

/// Over bf16 or int8 pages: tiles of rows of one sequence walk through its tokens from the first
/// one. With `skip_single` rows without a neighbour of their sequence are left out.
void attend_tiles(const CudaQueue& queue, const AttentionCall& call, KvFormat format,
                  bool skip_single);

/// Over bf16 or int8 pages: every split of a row's tokens is a block of its own, the results are
/// combined afterwards, to the bits of attend_tiles. All rows, or only those that stand alone in
/// their sequence. Needs split_bytes() of workspace for each row that it works on at once.
void attend_splits(const CudaQueue& queue, const AttentionCall& call, KvFormat format,
                   bool only_single);
uint64_t split_bytes(const AttentionCall& call);

}  // namespace tessera
