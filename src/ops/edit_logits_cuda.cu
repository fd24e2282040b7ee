#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/edit_logits.h"
#include "ops/enqueue.cuh"
#include "ops/fault.cuh"

// Compiled without contraction (CMakeLists.txt): an edited logit has the CPU's bits.

namespace tessera {
namespace {

constexpr int kEditThreads = 1024;

// A block for each edited row. A row's edits are of different tokens, so threads may share them
// out; masked tokens come after them.
__global__ void __launch_bounds__(kEditThreads)
    edit_logits_kernel(float* all_logits, int64_t stride, int64_t vocab, const EditedRow* rows,
                       const LogitEdit* all_edits, const uint32_t* masks, int64_t words,
                       KernelFault* fault) {
  const EditedRow row = rows[blockIdx.x];
  float* logits = all_logits + row.row * stride;
  for (int i = static_cast<int>(threadIdx.x); i < row.edits; i += kEditThreads) {
    const LogitEdit edit = all_edits[row.first_edit + i];
    if (!check_number(fault, FaultKind::kTokenId, edit.token, vocab)) continue;
    logits[edit.token] = edited_logit(logits[edit.token], edit);
  }
  if (row.mask < 0) return;
  __syncthreads();
  const uint32_t* mask = masks + row.mask * words;
  for (int64_t i = threadIdx.x; i < vocab; i += kEditThreads)
    if ((mask[i / 32] >> (i % 32) & 1) == 0) logits[i] = -INFINITY;
}

}  // namespace

void edit_logits_cuda(const CudaQueue& queue, const LogitEdits& edits, const Tensor& logits) {
  const auto rows = static_cast<unsigned>(edits.rows.shape[0]);
  // Parts that are empty may stand at the end of their memory: no place to point at.
  const bool has_edits = edits.edits.shape[0] > 0, has_masks = edits.masks.shape[0] > 0;
  enqueue(queue, "edit_logits", edit_logits_kernel, rows, kEditThreads, logits.f32(),
          logits.row_stride, logits.shape[1], static_cast<const EditedRow*>(edits.rows.data),
          has_edits ? static_cast<const LogitEdit*>(edits.edits.data) : nullptr,
          has_masks ? static_cast<const uint32_t*>(edits.masks.data) : nullptr,
          edits.masks.shape[1], queue.fault);
}

}  // namespace tessera
