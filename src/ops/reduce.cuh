#pragma once

#include "cuda/kernel.cuh"

// Sums and largest numbers over the threads of a warp or a block, in an order that depends on the
// number of threads alone. Every thread that they are over calls them, and every one gets the same
// bits.

namespace tessera {

inline constexpr int kWarpLanes = 32;
inline constexpr unsigned kWholeWarp = 0xffffffffU;

/// Over groups of kLanes neighbours of a warp, a power of two: as a butterfly, steps of kLanes / 2
/// first. All 32 lanes call it.
template <int kLanes = kWarpLanes>
__device__ float warp_sum(float x) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(kWholeWarp, x, step);
  return x;
}

/// The largest, as warp_sum.
template <int kLanes = kWarpLanes>
__device__ int warp_max(int x) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) x = max(x, __shfl_xor_sync(kWholeWarp, x, step));
  return x;
}

/// One number of each warp of a block, for block_shared(); several sums in a row may use one.
template <int kThreads>
struct WarpNumbers {
  static_assert(kThreads % kWarpLanes == 0);
  float of_warp[kThreads / kWarpLanes];
};

/// Over a block of kThreads threads (one dimension): warps by warp_sum, then one after another.
template <int kThreads>
__device__ float block_sum(float x, WarpNumbers<kThreads>& shared) {
  x = warp_sum(x);
  __syncthreads();  // the last call's numbers have been read
  if (threadIdx.x % kWarpLanes == 0) shared.of_warp[threadIdx.x / kWarpLanes] = x;
  __syncthreads();
  float sum = shared.of_warp[0];
#pragma unroll
  for (int warp = 1; warp < kThreads / kWarpLanes; ++warp) sum += shared.of_warp[warp];
  return sum;
}

}  // namespace tessera
