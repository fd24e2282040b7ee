#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/fault.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

template <typename From, bool kAligned>
__global__ void __launch_bounds__(kFourThreads)
    embedding_kernel(const int32_t* ids, const From* table, int64_t stride, int64_t vocab,
                     int64_t cols, float* out, int64_t out_stride, KernelFault* fault) {
  const FourPlace at = four_place(cols);
  const int64_t id = ids[at.row];
  if (at.count <= 0 || !check_number(fault, FaultKind::kTokenId, id, vocab)) return;
  store_four<kAligned>(out + at.row * out_stride + at.col,
                       load_four<kAligned>(table + id * stride + at.col, at.count), at.count);
}

}  // namespace

void embedding_cuda(const CudaQueue& queue, const Tensor& ids, const Tensor& table,
                    const Tensor& out) {
  const int64_t vocab = table.shape[0], cols = table.shape[1];
  const dim3 grid = four_grid(out.shape[0], cols);
  const bool aligned = rows_aligned(table) && rows_aligned(out);
  if (table.dtype == DType::kF32)
    enqueue(queue, "embedding",
            aligned ? embedding_kernel<float, true> : embedding_kernel<float, false>, grid,
            kFourThreads, ids.i32(), table.f32(), table.row_stride, vocab, cols, out.f32(),
            out.row_stride, queue.fault);
  else
    enqueue(queue, "embedding",
            aligned ? embedding_kernel<uint16_t, true> : embedding_kernel<uint16_t, false>, grid,
            kFourThreads, ids.i32(), table.row<uint16_t>(0), table.row_stride, vocab, cols,
            out.f32(), out.row_stride, queue.fault);
}

}  // namespace tessera
