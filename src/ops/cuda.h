#pragma once

#include "base/units.h"
#include "device/cuda_queue.h"
#include "ops/activation.h"
#include "ops/edit_logits.h"
#include "ops/kv_cache.h"
#include "ops/matmul_tile.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

// The bodies of the ops on CUDA devices: they queue kernels and return. Arguments as in the ops'
// own headers, where the op has checked them. Each is defined in <op>_cuda.cu. They throw Error
// when a launch is refused; what a kernel finds wrong with ids and positions goes to queue.fault.

namespace tessera {

inline constexpr int kMostFewRows = 16;  ///< of x, for which matmul has a kernel of their own

/// A block of the kernel for many rows reads the scales of 64.
constexpr int64_t matmul_scale_rows_cuda(int64_t rows) {
  constexpr int64_t kBlockRows = 64;
  return rows <= kMostFewRows ? rows : divide_up(rows, kBlockRows) * kBlockRows;
}

/// `prepared` is room for x as the kernels read it, of all weights but f32: [rows, w.in to a
/// multiple of 64] of bf16, or for integers of codes, and their scales [groups,
/// matmul_scale_rows_cuda(rows)]. `bias` with null data: none. The order of additions:
/// matmul_cuda.cuh.
void matmul_cuda(const CudaQueue& queue, const Tensor& x, const PreparedRows& prepared,
                 const PackedMatrix& w, const Tensor& bias, bool add_to_out, const Tensor& out);
void embedding_cuda(const CudaQueue& queue, const Tensor& ids, const Tensor& table,
                    const Tensor& out);
void rms_norm_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& weight, float eps,
                   const Tensor& out);
void layer_norm_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& weight,
                     const Tensor& bias, float eps, const Tensor& out);
void rope_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& positions, int64_t heads,
               int64_t head_dim, const Tensor& inv_freq);
void swiglu_cuda(const CudaQueue& queue, const Tensor& gate_up, const Tensor& out);
void gelu_cuda(const CudaQueue& queue, const Tensor& x, GeluKind kind);
void add_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& y, const Tensor& out);
void copy_rows_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& out);
void kv_append_cuda(const CudaQueue& queue, const Tensor& k, const Tensor& v, const BatchRows& rows,
                    const KvPages& pages);
void paged_attention_cuda(const CudaQueue& queue, const Tensor& q, const KvPages& pages,
                          const BatchRows& rows, int64_t heads, float scale, const Tensor& out);
/// `pages` and `blocks` are room for the keys and values as the kernel reads them.
void full_attention_cuda(const CudaQueue& queue, const Tensor& q, const Tensor& k, const Tensor& v,
                         const KvPages& pages, const Tensor& blocks, float scale,
                         const Tensor& out);
void sample_rows_cuda(const CudaQueue& queue, const Tensor& logits, const Tensor& draws,
                      const Tensor& tokens);
void edit_logits_cuda(const CudaQueue& queue, const LogitEdits& edits, const Tensor& logits);
void token_logprobs_cuda(const CudaQueue& queue, const Tensor& logits, const Tensor& asks,
                         const Tensor& tokens, const Tensor& out);
void patchify_cuda(const CudaQueue& queue, const Tensor& pixels, int64_t patch, const Tensor& out);

}  // namespace tessera
