#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/reduce.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

constexpr int kNormThreads = 512;  // a row of 7168 is three or four words of four for each

// One block a row. The sum over its columns of term(four of them): each thread adds its own one
// after another, then as block_sum. What is behind the last column must have no part in it.
template <bool kAligned, typename Term>
__device__ float row_sum(const float* row, int64_t cols, WarpNumbers<kNormThreads>& shared,
                         const Term& term) {
  float sum = 0;
#pragma unroll 4
  for (int64_t c = 4 * threadIdx.x; c < cols; c += 4 * kNormThreads)
    sum += term(load_four<kAligned>(row + c, cols - c), cols - c);
  return block_sum(sum, shared);
}

// fmaf is written where it is meant: left to the compiler, two kernels would round differently.
__device__ float squares_of(const float4& x) {
  return fmaf(x.x, x.x, x.y * x.y) + fmaf(x.z, x.z, x.w * x.w);
}

template <bool kAligned>
__global__ void __launch_bounds__(kNormThreads)
    rms_norm_kernel(const float* x, int64_t x_stride, const float* weight, float eps, int64_t cols,
                    float* out, int64_t out_stride) {
  auto& shared = block_shared<WarpNumbers<kNormThreads>>();
  const float* in = x + blockIdx.x * x_stride;
  float* to = out + blockIdx.x * out_stride;

  const float sum =
      row_sum<kAligned>(in, cols, shared, [](const float4& v, int64_t) { return squares_of(v); });
  const float scale = 1 / sqrtf(sum / static_cast<float>(cols) + eps);
#pragma unroll 4
  for (int64_t c = 4 * threadIdx.x; c < cols; c += 4 * kNormThreads) {
    const float4 v = load_four<kAligned>(in + c, cols - c);
    const float4 w = load_four<kAligned>(weight + c, cols - c);
    store_four<kAligned>(
        to + c, {v.x * scale * w.x, v.y * scale * w.y, v.z * scale * w.z, v.w * scale * w.w},
        cols - c);
  }
}

template <bool kAligned>
__global__ void __launch_bounds__(kNormThreads)
    layer_norm_kernel(const float* x, int64_t x_stride, const float* weight, const float* bias,
                      float eps, int64_t cols, float* out, int64_t out_stride) {
  auto& shared = block_shared<WarpNumbers<kNormThreads>>();
  const float* in = x + blockIdx.x * x_stride;
  float* to = out + blockIdx.x * out_stride;
  const auto n = static_cast<float>(cols);

  const float mean =
      row_sum<kAligned>(in, cols, shared,
                        [](const float4& v, int64_t) { return (v.x + v.y) + (v.z + v.w); }) /
      n;
  const float squares = row_sum<kAligned>(in, cols, shared, [mean](const float4& v, int64_t count) {
    return squares_of({v.x - mean, count > 1 ? v.y - mean : 0, count > 2 ? v.z - mean : 0,
                       count > 3 ? v.w - mean : 0});
  });
  const float scale = 1 / sqrtf(squares / n + eps);
#pragma unroll 4
  for (int64_t c = 4 * threadIdx.x; c < cols; c += 4 * kNormThreads) {
    const float4 v = load_four<kAligned>(in + c, cols - c);
    const float4 w = load_four<kAligned>(weight + c, cols - c);
    const float4 b = load_four<kAligned>(bias + c, cols - c);
    store_four<kAligned>(
        to + c,
        {fmaf((v.x - mean) * scale, w.x, b.x), fmaf((v.y - mean) * scale, w.y, b.y),
         fmaf((v.z - mean) * scale, w.z, b.z), fmaf((v.w - mean) * scale, w.w, b.w)},
        cols - c);
  }
}

}  // namespace

void rms_norm_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& weight, float eps,
                   const Tensor& out) {
  const bool aligned = rows_aligned(x) && rows_aligned(weight) && rows_aligned(out);
  enqueue(queue, "rms_norm", aligned ? rms_norm_kernel<true> : rms_norm_kernel<false>,
          static_cast<unsigned>(x.shape[0]), kNormThreads, x.f32(), x.row_stride, weight.f32(), eps,
          x.shape[1], out.f32(), out.row_stride);
}

void layer_norm_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& weight,
                     const Tensor& bias, float eps, const Tensor& out) {
  const bool aligned =
      rows_aligned(x) && rows_aligned(weight) && rows_aligned(bias) && rows_aligned(out);
  enqueue(queue, "layer_norm", aligned ? layer_norm_kernel<true> : layer_norm_kernel<false>,
          static_cast<unsigned>(x.shape[0]), kNormThreads, x.f32(), x.row_stride, weight.f32(),
          bias.f32(), eps, x.shape[1], out.f32(), out.row_stride);
}

}  // namespace tessera
