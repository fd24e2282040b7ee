#include <algorithm>

#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_words.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/float_math.h"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

constexpr int kFillThreads = 128;

AttentionCall attention_call(const CudaQueue& queue, const Tensor& q, const KvPages& pages,
                             int64_t heads, float scale, const Tensor& out) {
  return {.q = q.f32(),
          .out = out.f32(),
          .q_stride = q.row_stride,
          .out_stride = out.row_stride,
          .rows = q.shape[0],
          .positions = nullptr,
          .sequence = nullptr,
          .blocks = nullptr,
          .sequences = 1,
          .blocks_stride = 0,
          .max_context = q.shape[0],
          .pages = static_cast<const std::byte*>(pages.data),
          .page_count = pages.blocks,
          .block_bytes = pages.block_bytes(),
          .key_bytes = pages.key_bytes(),
          .value_bytes = pages.value_bytes(),
          .heads = static_cast<int>(heads),
          .kv_heads = static_cast<int>(pages.kv_heads),
          .head_dim = static_cast<int>(pages.head_dim),
          .scale = scale * kLog2E,
          .out_aligned = rows_aligned(out) && pages.head_dim % 4 == 0,
          .fault = queue.fault};
}

// Keys and values of all tokens -> pages in order, one head of one page to a block; 0 past the last
// token.
template <bool kFloats>
__global__ void __launch_bounds__(kFillThreads)
    fill_pages_kernel(const float* k, int64_t k_stride, const float* v, int64_t v_stride,
                      int64_t tokens, int dim, std::byte* pages, int64_t block_bytes,
                      int64_t key_bytes, int64_t value_bytes) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kPageTokens, head = blockIdx.y;
  const auto number = [&](const float* from, int64_t stride, int token, int d) {
    return first + token < tokens && d < dim ? from[(first + token) * stride + head * dim + d] : 0;
  };
  std::byte* block = pages + blockIdx.x * block_bytes;
  auto* keys = reinterpret_cast<uint32_t*>(block + head * key_bytes);
  auto* values = reinterpret_cast<uint32_t*>(block + gridDim.y * key_bytes + head * value_bytes);
  if constexpr (kFloats) {
    for (int i = threadIdx.x; i < dim * kPageTokens; i += kFillThreads) {
      keys[i] = __float_as_uint(number(k, k_stride, i % kPageTokens, i / kPageTokens));
      values[i] = __float_as_uint(number(v, v_stride, i / dim, i % dim));
    }
  } else {
    for (int i = threadIdx.x; i < (dim + 1) / 2 * kPageTokens; i += kFillThreads) {
      const int token = i % kPageTokens, d = i / kPageTokens * 2;
      keys[i] = bf16_pair(number(k, k_stride, token, d), number(k, k_stride, token, d + 1));
    }
    for (int i = threadIdx.x; i < dim * kPageTokens / 2; i += kFillThreads) {
      const int token = i / dim * 2, d = i % dim;
      values[i] = bf16_pair(number(v, v_stride, token, d), number(v, v_stride, token + 1, d));
    }
  }
}

// Whether rows are few beside their sequences: each is then worked on alone, in splits.
bool mostly_single(const AttentionCall& call) {
  constexpr int64_t kFew = 8;
  return call.rows <= std::max(kFew, call.sequences);
}

}  // namespace

void paged_attention_cuda(const CudaQueue& queue, const Tensor& q, const KvPages& pages,
                          const BatchRows& rows, int64_t heads, float scale, const Tensor& out) {
  AttentionCall call = attention_call(queue, q, pages, heads, scale, out);
  call.positions = rows.positions.i32();
  call.sequence = rows.sequence.i32();
  call.blocks = rows.blocks.i32();
  call.sequences = rows.blocks.shape[0];
  call.blocks_stride = rows.blocks.row_stride;
  call.max_context = rows.max_context;
  if (call.rows == 0) return;
  if (pages.format == KvFormat::kF32) return attend_floats(queue, call);

  const bool splits =
      call.max_context <= kSplitTokens || queue.workspace_bytes >= split_bytes(call);
  if (splits && mostly_single(call)) return attend_splits(queue, call, pages.format, false);
  const bool mixed = splits && call.sequences > 1;
  if (mixed) attend_splits(queue, call, pages.format, true);
  attend_tiles(queue, call, pages.format, mixed);
}

void full_attention_cuda(const CudaQueue& queue, const Tensor& q, const Tensor& k, const Tensor& v,
                         const KvPages& pages, const Tensor&, float scale, const Tensor& out) {
  const AttentionCall call = attention_call(queue, q, pages, pages.kv_heads, scale, out);
  const bool floats = pages.format == KvFormat::kF32;
  const dim3 grid(static_cast<unsigned>(pages.blocks), static_cast<unsigned>(pages.kv_heads));
  enqueue(queue, "full_attention", floats ? fill_pages_kernel<true> : fill_pages_kernel<false>,
          grid, kFillThreads, k.f32(), k.row_stride, v.f32(), v.row_stride, k.shape[0],
          call.head_dim, static_cast<std::byte*>(pages.data), call.block_bytes, call.key_bytes,
          call.value_bytes);
  if (floats)
    attend_floats(queue, call);
  else
    attend_tiles(queue, call, pages.format, false);
}

}  // namespace tessera
