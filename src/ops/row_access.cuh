#pragma once

#include <cstdint>

#include "cuda/kernel.cuh"
#include "tensor/tensor.h"

// Rows of f32 read and written four numbers at a time. Which four a thread has, and so the order of
// a sum over them, does not depend on whether they move as one word.

namespace tessera {

/// Whether every row starts at a boundary of four numbers.
inline bool rows_aligned(const Tensor& t) {
  const auto four_bytes = static_cast<uintptr_t>(4 * dtype_bytes(t.dtype));
  return reinterpret_cast<uintptr_t>(t.data) % four_bytes == 0 &&
         (t.rows() <= 1 || t.row_stride % 4 == 0);
}

/// from[0 .. 3], of which the first `count` are there (at least one); 0 for the others.
template <bool kAligned>
__device__ float4 load_four(const float* from, int64_t count) {
  if (kAligned && count >= 4) return *reinterpret_cast<const float4*>(from);
  float4 four = {from[0], 0, 0, 0};
  if (count > 1) four.y = from[1];
  if (count > 2) four.z = from[2];
  if (count > 3) four.w = from[3];
  return four;
}

/// The same of bf16, widened. kAligned: every row starts at a boundary of 8 bytes.
template <bool kAligned>
__device__ float4 load_four(const uint16_t* from, int64_t count) {
  const auto wide = [](uint16_t bits) {
    return __uint_as_float(static_cast<uint32_t>(bits) << 16);
  };
  if (kAligned && count >= 4) {
    const ushort4 four = *reinterpret_cast<const ushort4*>(from);
    return {wide(four.x), wide(four.y), wide(four.z), wide(four.w)};
  }
  return {wide(from[0]), count > 1 ? wide(from[1]) : 0, count > 2 ? wide(from[2]) : 0,
          count > 3 ? wide(from[3]) : 0};
}

/// The first `count` of them, at least one.
template <bool kAligned>
__device__ void store_four(float* to, const float4& four, int64_t count) {
  if (kAligned && count >= 4) {
    *reinterpret_cast<float4*>(to) = four;
    return;
  }
  to[0] = four.x;
  if (count > 1) to[1] = four.y;
  if (count > 2) to[2] = four.z;
  if (count > 3) to[3] = four.w;
}

/// Ops that go through a matrix number by number give four neighbours of a row to each thread.
struct FourPlace {
  int64_t row, col;
  int64_t count;  ///< how many of them the row has; 0 or below: none
};
inline constexpr int kFourThreads = 128;

inline dim3 four_grid(int64_t rows, int64_t cols) {
  constexpr int64_t kCols = 4 * kFourThreads;
  return {static_cast<unsigned>(rows), static_cast<unsigned>((cols + kCols - 1) / kCols)};
}

/// In a grid of four_grid(rows, cols) blocks of kFourThreads.
__device__ inline FourPlace four_place(int64_t cols) {
  const int64_t col = 4 * (static_cast<int64_t>(blockIdx.y) * kFourThreads + threadIdx.x);
  return {blockIdx.x, col, cols - col};
}

}  // namespace tessera
