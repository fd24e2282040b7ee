#include "bench/ops/cuda_limits.h"

#include "cuda/check.h"
#include "cuda/kernel.cuh"
#include "device/cuda_device.h"

namespace tessera {
namespace {

constexpr int kReadThreads = 512, kReadsAhead = 8;

__global__ void __launch_bounds__(kReadThreads)
    read_kernel(const uint4* data, uint64_t words, uint32_t* sum) {
  uint32_t own = 0;
  const uint64_t stride = static_cast<uint64_t>(gridDim.x) * kReadThreads;
  for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * kReadThreads + threadIdx.x; i < words;
       i += kReadsAhead * stride) {
    uint4 read[kReadsAhead] = {};
#pragma unroll
    for (int k = 0; k < kReadsAhead; ++k)
      if (i + k * stride < words) read[k] = __ldcs(data + i + k * stride);
#pragma unroll
    for (int k = 0; k < kReadsAhead; ++k) own ^= read[k].x ^ read[k].y ^ read[k].z ^ read[k].w;
  }
  if (own == 12345) atomicAdd(sum, own);
}

constexpr int kTileThreads = 256, kChains = 8, kProducts = kCudaEmulated ? 2 : 2048;

__global__ void __launch_bounds__(kTileThreads) tiles_kernel(uint32_t* sum) {
  float sums[kChains][4] = {};
  const uint32_t a[4] = {threadIdx.x, 1, 2, 3}, b[2] = {threadIdx.x, 5};
#pragma unroll 1
  for (int i = 0; i < kProducts; ++i)
#pragma unroll
    for (int chain = 0; chain < kChains; ++chain) mma_bf16(sums[chain], a, b);
  float all = 0;
#pragma unroll
  for (int chain = 0; chain < kChains; ++chain) all += sums[chain][0] + sums[chain][3];
  if (all == 12345.0F) atomicAdd(sum, 1U);
}

}  // namespace

void read_all(const CudaQueue& queue, const void* data, uint64_t bytes, uint32_t* sum) {
  cuda_check(launch_kernel(read_kernel, dim3(queue.processors * 4), dim3(kReadThreads), 0,
                           queue.stream, static_cast<const uint4*>(data), bytes / 16, sum),
             "bench", "launch");
}

double multiply_tiles(const CudaQueue& queue, uint32_t* sum) {
  const int blocks = queue.processors * 2;
  cuda_check(launch_kernel(tiles_kernel, dim3(blocks), dim3(kTileThreads), 0, queue.stream, sum),
             "bench", "launch");
  return 2.0 * 16 * 8 * 16 * kChains * kProducts * blocks * (kTileThreads / 32);
}

}  // namespace tessera
