#include "tests/cuda_emulator/example_kernels.h"

#include "cuda/check.h"
#include "cuda/kernel.cuh"

namespace tessera {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;

__device__ inline float sum_over_warp(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  return value;
}

__global__ void add_kernel(const float* a, const float* b, float* c, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) c[i] = a[i] + b[i];
}

__global__ void sum_kernel(const float* x, float* out, int count) {
  struct Shared {
    float of_warp[32];
  };
  Shared& shared = block_shared<Shared>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    sum += x[i];
  sum = sum_over_warp(sum);
  if (lane == 0) shared.of_warp[warp] = sum;
  __syncthreads();
  if (warp > 0) return;
  sum = sum_over_warp(lane < static_cast<int>(blockDim.x) / 32 ? shared.of_warp[lane] : 0.0f);
  if (lane == 0) atomicAdd(out, sum);
}

__global__ void multiply_vector_kernel(const __nv_bfloat16* w, const __nv_bfloat16* x, float* y,
                                       int rows, int columns) {
  const int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  float sum = 0;
  for (int c = lane * 8; c < columns; c += 256) {
    const uint4 w_words = __ldg(reinterpret_cast<const uint4*>(w + size_t(row) * columns + c));
    const uint4 x_words = *reinterpret_cast<const uint4*>(x + c);
    const auto* w_pairs = reinterpret_cast<const __nv_bfloat162*>(&w_words);
    const auto* x_pairs = reinterpret_cast<const __nv_bfloat162*>(&x_words);
    for (int i = 0; i < 4; ++i) {
      const float2 a = __bfloat1622float2(w_pairs[i]), b = __bfloat1622float2(x_pairs[i]);
      sum = fmaf(a.x, b.x, fmaf(a.y, b.y, sum));
    }
  }
  sum = sum_over_warp(sum);
  if (lane == 0) y[row] = sum;
}

constexpr int kTile = 64, kPadded = kTile + 8;

// A tile of 64 x 64 by four warps of 32 x 32; k in steps of 64 through two buffers.
__global__ void multiply_matrices_kernel(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c,
                                         int m, int n, int k) {
  __nv_bfloat16* const buffers = dynamic_shared<__nv_bfloat16>();  // [2][a then b][64][72]
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
  a += size_t(blockIdx.y) * kTile * k;
  b += size_t(blockIdx.x) * kTile * k;

  const auto load = [&](int buffer, int first_k) {
    __nv_bfloat16* const a_tile = buffers + buffer * 2 * kTile * kPadded;
    __nv_bfloat16* const b_tile = a_tile + kTile * kPadded;
    for (int i = threadIdx.x; i < kTile * 8; i += 128) {
      const int row = i / 8, column = i % 8 * 8;
      cp_async_16(a_tile + row * kPadded + column, a + size_t(row) * k + first_k + column);
      cp_async_16(b_tile + row * kPadded + column, b + size_t(row) * k + first_k + column);
    }
    cp_async_commit();
  };

  float sums[2][4][4] = {};
  load(0, 0);
  for (int first_k = 0, buffer = 0; first_k < k; first_k += kTile, buffer ^= 1) {
    if (first_k + kTile < k) {
      load(buffer ^ 1, first_k + kTile);
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    __syncthreads();
    const __nv_bfloat16* const a_tile = buffers + buffer * 2 * kTile * kPadded;
    const __nv_bfloat16* const b_tile = a_tile + kTile * kPadded;
    for (int inner = 0; inner < kTile; inner += 16) {
      uint32_t a_words[2][4], b_words[4][2];
      for (int i = 0; i < 2; ++i)
        ldmatrix_x4(a_words[i],
                    a_tile + (warp_row + i * 16 + lane % 16) * kPadded + inner + lane / 16 * 8);
      for (int j = 0; j < 4; j += 2) {
        uint32_t words[4];
        ldmatrix_x4(words, b_tile + (warp_column + j * 8 + lane % 8 + lane / 16 * 8) * kPadded +
                               inner + lane / 8 % 2 * 8);
        b_words[j][0] = words[0];
        b_words[j][1] = words[1];
        b_words[j + 1][0] = words[2];
        b_words[j + 1][1] = words[3];
      }
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 4; ++j) mma_bf16(sums[i][j], a_words[i], b_words[j]);
    }
    __syncthreads();
  }

  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      for (int r = 0; r < 4; ++r) {
        const int row = blockIdx.y * kTile + warp_row + i * 16 + lane / 4 + r / 2 * 8;
        const int column = blockIdx.x * kTile + warp_column + j * 8 + lane % 4 * 2 + r % 2;
        if (row < m && column < n) c[size_t(row) * n + column] = sums[i][j][r];
      }
}

__global__ void multiply_int8_kernel(const int8_t* a, const int8_t* b, int* out, int count) {
  int sum = 0;
  for (int i = threadIdx.x * 4; i < count; i += 128)
    sum = __dp4a(*reinterpret_cast<const int*>(a + i), *reinterpret_cast<const int*>(b + i), sum);
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(kAllLanes, sum, offset);
  if (threadIdx.x == 0) *out = sum;
}

}  // namespace

void add_vectors(const float* a, const float* b, float* c, int count, cudaStream_t stream) {
  cuda_check(launch_kernel(add_kernel, (count + 255) / 256, 256, 0, stream, a, b, c, count), "test",
             "launch add_kernel");
}

void sum_vector(const float* x, float* out, int count, cudaStream_t stream) {
  cuda_check(launch_kernel(sum_kernel, 8, 256, 0, stream, x, out, count), "test",
             "launch sum_kernel");
}

void multiply_vector(const __nv_bfloat16* w, const __nv_bfloat16* x, float* y, int rows,
                     int columns, cudaStream_t stream) {
  cuda_check(
      launch_kernel(multiply_vector_kernel, (rows + 3) / 4, 128, 0, stream, w, x, y, rows, columns),
      "test", "launch multiply_vector_kernel");
}

void multiply_matrices(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, int m, int n,
                       int k, cudaStream_t stream) {
  constexpr size_t kSharedBytes = 2 * 2 * kTile * kPadded * sizeof(__nv_bfloat16);
  cuda_check(launch_kernel(multiply_matrices_kernel, dim3(n / kTile, m / kTile), 128, kSharedBytes,
                           stream, a, b, c, m, n, k),
             "test", "launch multiply_matrices_kernel");
}

void multiply_int8(const int8_t* a, const int8_t* b, int* out, int count, cudaStream_t stream) {
  cuda_check(launch_kernel(multiply_int8_kernel, 1, 32, 0, stream, a, b, out, count), "test",
             "launch multiply_int8_kernel");
}

}  // namespace tessera
