#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

// x / (1 + exp(-z)), as ops/float_math.h has it for CPUs.
__device__ float times_sigmoid_of(float x, float z) {
  return x / (1 + expf(-z));
}

template <GeluKind kKind>
__device__ float gelu_of(float x) {
  if constexpr (kKind == GeluKind::kErf) {
    constexpr float kRootHalf = 0.70710678118654752F;
    return 0.5F * x * erfcf(-kRootHalf * x);
  } else if constexpr (kKind == GeluKind::kQuick) {
    return times_sigmoid_of(x, 1.702F * x);
  } else {  // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))
    constexpr float kTwoRootTwoByPi = 1.5957691216F;
    return times_sigmoid_of(x, kTwoRootTwoByPi * fmaf(0.044715F * x * x, x, x));
  }
}

// `up` is the other half of `gate`'s row.
template <bool kAligned>
__global__ void __launch_bounds__(kFourThreads)
    swiglu_kernel(const float* gate, const float* up, int64_t stride, int64_t cols, float* out,
                  int64_t out_stride) {
  const FourPlace at = four_place(cols);
  if (at.count <= 0) return;
  const float4 g = load_four<kAligned>(gate + at.row * stride + at.col, at.count);
  const float4 u = load_four<kAligned>(up + at.row * stride + at.col, at.count);
  store_four<kAligned>(out + at.row * out_stride + at.col,
                       {times_sigmoid_of(g.x, g.x) * u.x, times_sigmoid_of(g.y, g.y) * u.y,
                        times_sigmoid_of(g.z, g.z) * u.z, times_sigmoid_of(g.w, g.w) * u.w},
                       at.count);
}

template <GeluKind kKind, bool kAligned>
__global__ void __launch_bounds__(kFourThreads)
    gelu_kernel(float* x, int64_t stride, int64_t cols) {
  const FourPlace at = four_place(cols);
  if (at.count <= 0) return;
  float* place = x + at.row * stride + at.col;
  const float4 v = load_four<kAligned>(place, at.count);
  store_four<kAligned>(
      place, {gelu_of<kKind>(v.x), gelu_of<kKind>(v.y), gelu_of<kKind>(v.z), gelu_of<kKind>(v.w)},
      at.count);
}

template <GeluKind kKind>
void gelu_of_kind(const CudaQueue& queue, const Tensor& x) {
  enqueue(queue, "gelu", rows_aligned(x) ? gelu_kernel<kKind, true> : gelu_kernel<kKind, false>,
          four_grid(x.shape[0], x.shape[1]), kFourThreads, x.f32(), x.row_stride, x.shape[1]);
}

}  // namespace

void swiglu_cuda(const CudaQueue& queue, const Tensor& gate_up, const Tensor& out) {
  const int64_t rows = out.shape[0], ffn = out.shape[1];
  const Tensor up = gate_up.slice_cols(ffn, ffn);
  const bool aligned = rows_aligned(gate_up) && rows_aligned(up) && rows_aligned(out);
  enqueue(queue, "swiglu", aligned ? swiglu_kernel<true> : swiglu_kernel<false>,
          four_grid(rows, ffn), kFourThreads, gate_up.f32(), up.f32(), gate_up.row_stride, ffn,
          out.f32(), out.row_stride);
}

void gelu_cuda(const CudaQueue& queue, const Tensor& x, GeluKind kind) {
  switch (kind) {
    case GeluKind::kErf:
      return gelu_of_kind<GeluKind::kErf>(queue, x);
    case GeluKind::kQuick:
      return gelu_of_kind<GeluKind::kQuick>(queue, x);
    case GeluKind::kTanh:
      return gelu_of_kind<GeluKind::kTanh>(queue, x);
  }
}

}  // namespace tessera
