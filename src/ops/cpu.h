#pragma once

#include <cstdint>
#include <optional>

#include "base/isa.h"
#include "base/worker_pool.h"
#include "ops/activation.h"
#include "ops/kv_cache.h"
#include "ops/matmul_tile.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

// The bodies of the ops on CPUs. Arguments as in the ops' own headers, where the op has checked
// them; called on the stream's thread. Each is written in <op>_cpu.cc as the formula reads; where
// an Isa is handed in, faster versions of the same bits stand beside it.

namespace tessera {

/// What a matmul does with its sums, in this order. MatmulOptions has the meaning of each.
struct MatmulFinish {
  Tensor bias;  ///< with null data: none
  bool add_to_out = false;
  std::optional<GeluKind> gelu;
  bool swiglu = false;
};
void matmul_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const PreparedRows& prepared,
                const PackedMatrix& w, const MatmulFinish& finish, const Tensor& out);
void embedding_cpu(WorkerPool& pool, const Tensor& ids, const Tensor& table, const Tensor& out);
void rms_norm_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const Tensor& weight, float eps,
                  const Tensor& out);
void layer_norm_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const Tensor& weight,
                    const Tensor& bias, float eps, const Tensor& out);
void rope_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const Tensor& positions, int64_t heads,
              int64_t head_dim, const Tensor& inv_freq);
void swiglu_cpu(WorkerPool& pool, Isa isa, const Tensor& gate_up, const Tensor& out);
void gelu_cpu(WorkerPool& pool, Isa isa, const Tensor& x, GeluKind kind);
void add_cpu(WorkerPool& pool, const Tensor& x, const Tensor& y, const Tensor& out);
void copy_rows_cpu(WorkerPool& pool, const Tensor& x, const Tensor& out);
void kv_append_cpu(WorkerPool& pool, const Tensor& k, const Tensor& v, const BatchRows& rows,
                   const KvPages& pages);
void paged_attention_cpu(WorkerPool& pool, Isa isa, const Tensor& q, const KvPages& pages,
                         const BatchRows& rows, int64_t heads, float scale, const Tensor& out);
/// `pages` and `blocks` are room for the keys and values as the kernel reads them.
void full_attention_cpu(WorkerPool& pool, Isa isa, const Tensor& q, const Tensor& k,
                        const Tensor& v, const KvPages& pages, const Tensor& blocks, float scale,
                        const Tensor& out);
void patchify_cpu(WorkerPool& pool, const Tensor& pixels, int64_t patch, const Tensor& out);

}  // namespace tessera
