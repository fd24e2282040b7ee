#include "ops/enqueue.cuh"
#include "ops/hadamard_block.h"
#include "ops/matmul_cuda.cuh"

namespace tessera {
namespace {

constexpr int kPrepareWarps = 4, kWarpInputs = 128;

/// Butterflies of distance 1, 2, 4, .. within blocks of `block` inputs, of which the lane has four.
__device__ void rotate_in_warp(float (&v)[4], int block) {
  const auto butterfly = [](float& a, float& b) {
    const float sum = a + b, difference = a - b;
    a = sum;
    b = difference;
  };
  butterfly(v[0], v[1]);
  butterfly(v[2], v[3]);
  butterfly(v[0], v[2]);
  butterfly(v[1], v[3]);
  const int lane = static_cast<int>(threadIdx.x % 32);
  for (int step = 4; step < kWarpInputs; step *= 2)
    for (float& own : v) {
      const float other = __shfl_xor_sync(0xffffffff, own, step / 4);
      if (step < block) own = (lane & step / 4) != 0 ? other - own : own + other;
    }
}

/// A warp takes 128 inputs of a row, a lane four of them.
///   kRotate  blocks of a group of 128 that has `padded_in` inputs in all rows' last group
///   kSpread  fours in the order 0, 2, 1, 3
template <bool kRotate, bool kSpread>
__global__ void __launch_bounds__(kPrepareWarps * 32)
    prepare_kernel(const float* x, int64_t stride, MatmulShape shape, uint16_t* to) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int first = static_cast<int>(blockIdx.x * kPrepareWarps + threadIdx.x / 32) * kWarpInputs;
  const int input = first + 4 * lane;
  if (first >= shape.x_stride) return;  // the whole warp
  for (int row = static_cast<int>(blockIdx.y); row < shape.rows;
       row += static_cast<int>(gridDim.y)) {
    const float* from = x + row * stride;
    float v[4];
    for (int i = 0; i < 4; ++i) v[i] = input + i < shape.in ? from[input + i] : 0.0F;
    if constexpr (kRotate) {
      int begin = first, block = 0;  // the lane's own
      for (;;) {
        block = static_cast<int>(hadamard_block(shape.padded_in - begin));
        if (input < begin + block || block == 0) break;
        begin += block;
      }
      rotate_in_warp(v, block);
    }
    if (input >= shape.x_stride) continue;
    const __nv_bfloat162 low = __floats2bfloat162_rn(v[0], kSpread ? v[2] : v[1]);
    const __nv_bfloat162 high = __floats2bfloat162_rn(kSpread ? v[1] : v[2], v[3]);
    auto* place =
        reinterpret_cast<__nv_bfloat162*>(to + static_cast<int64_t>(row) * shape.x_stride + input);
    place[0] = low;
    place[1] = high;
  }
}

}  // namespace

void matmul_prepare(const CudaQueue& queue, int bits, const float* x, int64_t stride,
                    const MatmulShape& shape, uint16_t* to) {
  const auto kernel = bits == 16  ? prepare_kernel<false, false>
                      : bits == 8 ? prepare_kernel<true, true>
                                  : prepare_kernel<false, true>;
  const int inputs = kPrepareWarps * kWarpInputs;
  constexpr int kMostRows = 65535;  // of a grid; each block then takes several
  const dim3 grid((shape.x_stride + inputs - 1) / inputs,
                  shape.rows < kMostRows ? shape.rows : kMostRows);
  enqueue(queue, "matmul", kernel, grid, dim3(kPrepareWarps * 32), x, stride, shape, to);
}

}  // namespace tessera
