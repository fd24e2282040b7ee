#include "ops/enqueue.cuh"
#include "ops/hadamard_block.h"
#include "ops/matmul_cuda.cuh"
#include "ops/numbers.cuh"
#include "ops/reduce.cuh"

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
      const float other = __shfl_xor_sync(kWholeWarp, own, step / 4);
      if (step < block) own = (lane & step / 4) != 0 ? other - own : own + other;
    }
}

/// A warp takes 128 inputs of a row, a lane four of them: these.
struct LaneInputs {
  int first, input;  // of the warp, of the lane

  __device__ LaneInputs()
      : first(static_cast<int>(blockIdx.x * kPrepareWarps + threadIdx.x / 32) * kWarpInputs),
        input(first + 4 * static_cast<int>(threadIdx.x % 32)) {}

  // Behind the last input are zeros.
  __device__ void load(const float* row, int in, float (&v)[4]) const {
    for (int i = 0; i < 4; ++i) v[i] = input + i < in ? row[input + i] : 0.0F;
  }
};

__global__ void __launch_bounds__(kPrepareWarps * 32)
    prepare_bf16_kernel(const float* x, int64_t stride, MatmulShape shape, uint16_t* to) {
  const LaneInputs lane;
  if (lane.input >= shape.x_stride) return;
  for (int row = static_cast<int>(blockIdx.y); row < shape.rows;
       row += static_cast<int>(gridDim.y)) {
    float v[4];
    lane.load(x + row * stride, shape.in, v);
    auto* place = reinterpret_cast<__nv_bfloat162*>(
        to + static_cast<int64_t>(row) * shape.x_stride + lane.input);
    place[0] = __floats2bfloat162_rn(v[0], v[1]);
    place[1] = __floats2bfloat162_rn(v[2], v[3]);
  }
}

/// What prepare_codes in prepare_rows.h does, to the same bits. Groups of 128 inputs are rotated,
/// in blocks of what `padded_in` leaves of them; groups of 64 are not.
template <int kGroup>
__global__ void __launch_bounds__(kPrepareWarps * 32)
    prepare_codes_kernel(const float* x, int64_t stride, MatmulShape shape, char4* to,
                         float* scales) {
  const LaneInputs lane;
  if (lane.first >= shape.x_stride) return;  // the whole warp
  for (int row = static_cast<int>(blockIdx.y); row < shape.rows;
       row += static_cast<int>(gridDim.y)) {
    float v[4];
    lane.load(x + row * stride, shape.in, v);
    if constexpr (kGroup == kWarpInputs) {
      int begin = lane.first, block = 0;  // the lane's own
      for (;;) {
        block = static_cast<int>(hadamard_block(shape.padded_in - begin));
        if (lane.input < begin + block || block == 0) break;
        begin += block;
      }
      rotate_in_warp(v, block);
    }
    int largest = 0;  // by the bits, as largest_magnitude
    for (const float one : v) largest = max(largest, __float_as_int(one) & 0x7fffffff);
    const CodeScale code = code_scale(__int_as_float(warp_max<kGroup / 4>(largest)), 127);
    if (lane.input >= shape.x_stride) continue;
    to[(static_cast<int64_t>(row) * shape.x_stride + lane.input) / 4] =
        make_char4(static_cast<signed char>(int8_code(v[0], code.inverse)),
                   static_cast<signed char>(int8_code(v[1], code.inverse)),
                   static_cast<signed char>(int8_code(v[2], code.inverse)),
                   static_cast<signed char>(int8_code(v[3], code.inverse)));
    if (lane.input % kGroup == 0 && lane.input < shape.in)
      scales[static_cast<int64_t>(lane.input / kGroup) * shape.x_scale_stride + row] = code.scale;
  }
}

}  // namespace

void matmul_prepare(const CudaQueue& queue, int bits, const float* x, int64_t stride,
                    const MatmulShape& shape, const PreparedRows& to) {
  constexpr int kInputs = kPrepareWarps * kWarpInputs;
  constexpr int kMostRows = 65535;  // of a grid; each block then takes several
  const dim3 grid((shape.x_stride + kInputs - 1) / kInputs,
                  shape.rows < kMostRows ? shape.rows : kMostRows);
  const dim3 block(kPrepareWarps * 32);
  if (bits == 16)
    enqueue(queue, "matmul", prepare_bf16_kernel, grid, block, x, stride, shape,
            static_cast<uint16_t*>(to.values));
  else
    enqueue(queue, "matmul", bits == 8 ? prepare_codes_kernel<128> : prepare_codes_kernel<64>, grid,
            block, x, stride, shape, static_cast<char4*>(to.values), to.scales);
}

}  // namespace tessera
