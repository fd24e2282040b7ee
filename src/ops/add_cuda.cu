#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

// y_stride 0: the same row for all.
template <bool kAligned>
__global__ void __launch_bounds__(kFourThreads)
    add_kernel(const float* x, int64_t x_stride, const float* y, int64_t y_stride, int64_t cols,
               float* out, int64_t out_stride) {
  const FourPlace at = four_place(cols);
  if (at.count <= 0) return;
  const float4 a = load_four<kAligned>(x + at.row * x_stride + at.col, at.count);
  const float4 b = load_four<kAligned>(y + at.row * y_stride + at.col, at.count);
  store_four<kAligned>(out + at.row * out_stride + at.col,
                       {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}, at.count);
}

template <typename From, bool kAligned>
__global__ void __launch_bounds__(kFourThreads)
    copy_rows_kernel(const From* x, int64_t x_stride, int64_t cols, float* out,
                     int64_t out_stride) {
  const FourPlace at = four_place(cols);
  if (at.count <= 0) return;
  store_four<kAligned>(out + at.row * out_stride + at.col,
                       load_four<kAligned>(x + at.row * x_stride + at.col, at.count), at.count);
}

}  // namespace

void add_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& y, const Tensor& out) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  const bool aligned = rows_aligned(x) && rows_aligned(y) && rows_aligned(out);
  enqueue(queue, "add", aligned ? add_kernel<true> : add_kernel<false>, four_grid(rows, cols),
          kFourThreads, x.f32(), x.row_stride, y.f32(), y.shape[0] == 1 ? 0 : y.row_stride, cols,
          out.f32(), out.row_stride);
}

void copy_rows_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& out) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  const dim3 grid = four_grid(rows, cols);
  const bool aligned = rows_aligned(x) && rows_aligned(out);
  if (x.dtype == DType::kF32)
    enqueue(queue, "copy_rows",
            aligned ? copy_rows_kernel<float, true> : copy_rows_kernel<float, false>, grid,
            kFourThreads, x.f32(), x.row_stride, cols, out.f32(), out.row_stride);
  else
    enqueue(queue, "copy_rows",
            aligned ? copy_rows_kernel<uint16_t, true> : copy_rows_kernel<uint16_t, false>, grid,
            kFourThreads, x.row<uint16_t>(0), x.row_stride, cols, out.f32(), out.row_stride);
}

}  // namespace tessera
