#pragma once

#include "cuda/kernel.cuh"
#include "ops/reduce.cuh"
#include "ops/token_weight.h"

// Sums and largest of whole numbers over a block that has a row of logits: exact in any order.
// Every thread calls them, and every one gets the same.

namespace tessera {

inline constexpr int kLogitThreads = 1024;
inline constexpr int kLogitWarps = kLogitThreads / kWarpLanes;

/// One number of each warp, for block_shared(); several calls in a row may use one.
struct WholeNumbers {
  uint64_t of_warp[kLogitWarps];
};

__device__ inline uint64_t warp_total(uint64_t x) {
  for (int step = kWarpLanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(kWholeWarp, x, step);
  return x;
}

__device__ inline uint64_t block_total(uint64_t x, WholeNumbers& shared) {
  x = warp_total(x);
  __syncthreads();  // the last call's numbers have been read
  if (threadIdx.x % kWarpLanes == 0) shared.of_warp[threadIdx.x / kWarpLanes] = x;
  __syncthreads();
  uint64_t sum = 0;
#pragma unroll 4
  for (int warp = 0; warp < kLogitWarps; ++warp) sum += shared.of_warp[warp];
  return sum;
}

/// A token's place among a row's: the key of its logit above, and below it the complement of its
/// id, so that of equal ones the lowest is the largest. Never 0.
__device__ inline uint64_t logit_place(float logit, int64_t token) {
  return static_cast<uint64_t>(logit_key(logit)) << 32 |
         static_cast<uint32_t>(~static_cast<uint32_t>(token));
}
__device__ inline int32_t token_at(uint64_t place) {
  return static_cast<int32_t>(~static_cast<uint32_t>(place));
}

/// The largest place of the row below `limit`; 0: there is none.
__device__ inline uint64_t block_top(const float* logits, int64_t vocab, uint64_t limit,
                                     WholeNumbers& shared) {
  uint64_t top = 0;
  for (int64_t i = threadIdx.x; i < vocab; i += kLogitThreads) {
    const uint64_t own = logit_place(logits[i], i);
    top = own > top && own < limit ? own : top;
  }
  for (int step = kWarpLanes / 2; step > 0; step /= 2) {
    const uint64_t other = __shfl_xor_sync(kWholeWarp, top, step);
    top = other > top ? other : top;
  }
  __syncthreads();  // the last call's numbers have been read
  if (threadIdx.x % kWarpLanes == 0) shared.of_warp[threadIdx.x / kWarpLanes] = top;
  __syncthreads();
#pragma unroll 4
  for (int warp = 0; warp < kLogitWarps; ++warp)
    top = shared.of_warp[warp] > top ? shared.of_warp[warp] : top;
  return top;
}

}  // namespace tessera
