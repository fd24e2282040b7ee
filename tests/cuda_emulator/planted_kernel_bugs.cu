#include "cuda/check.h"
#include "cuda/kernel.cuh"
#include "tests/cuda_emulator/planted_bugs.h"

namespace tessera {
namespace {

constexpr unsigned kFullWarp = 0xffffffffu;

struct PlantedShared {
  float values[kPlantedThreads];
  float behind[4];
};

__global__ void no_barrier_kernel(const float* x, float* out) {
  PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  shared.values[t] = x[t];
  out[t] = shared.values[kPlantedThreads - 1 - t];
}

__global__ void barrier_in_a_branch_kernel(const float* x, float* out) {
  PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  shared.values[t] = x[t];
  if (t < 64) __syncthreads();
  out[t] = shared.values[kPlantedThreads - 1 - t];
}

__global__ void two_barriers_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  if (t < 64) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[t] = x[t];
}

__global__ void barrier_after_exit_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  if (t >= 96) return;
  __syncthreads();
  out[t] = x[t];
}

__global__ void lane_has_left_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  if (t == 5) return;
  out[t] = __shfl_xor_sync(kFullWarp, x[t], 1);
}

__global__ void another_collective_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  if (t % 2 == 0) {
    __syncwarp();
    out[t] = 0;
  } else {
    out[t] = __shfl_xor_sync(kFullWarp, x[t], 1);
  }
}

__global__ void not_in_mask_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  out[t] = x[t];
  if (t % 32 < 16) out[t] = __shfl_xor_sync(0x0000ffffu, x[t], 16);
}

__global__ void divergent_mma_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (t % 32 < 16) {
    mma_bf16(d, a, b);
  } else {
    mma_bf16(d, a, b);
  }
  out[t] = d[0] + x[t];
}

__global__ void read_past_the_end_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  out[t] = x[t + 1];
}

__global__ void write_past_the_end_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  out[t + 1] = x[t];
}

__global__ void past_a_member_kernel(const float* x, float* out) {
  PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  shared.values[t + 1] = x[t];
  __syncthreads();
  out[t] = shared.values[t];
}

__global__ void past_dynamic_shared_kernel(const float* x, float* out) {
  float* const values = dynamic_shared<float>();
  const int t = threadIdx.x;
  values[t] = x[t];
  out[t] = values[t];
}

__global__ void uninitialised_shared_kernel(const float*, float* out) {
  const PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  out[t] = shared.values[t];
}

__global__ void shared_of_the_last_block_kernel(const float* x, float* out) {
  PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  if (blockIdx.x == 0) shared.values[t] = x[t];
  __syncthreads();
  if (blockIdx.x == 1) out[t] = shared.values[t];
}

struct alignas(16) PlantedTile {
  float values[2][kPlantedThreads];
};

__global__ void no_async_wait_kernel(const float* x, float* out) {
  PlantedTile& shared = block_shared<PlantedTile>();
  const int t = threadIdx.x;
  if (t % 4 == 0) cp_async_16(&shared.values[0][t], x + t);
  cp_async_commit();
  __syncthreads();
  out[t] = shared.values[0][t];
}

__global__ void async_wait_one_short_kernel(const float* x, float* out) {
  PlantedTile& shared = block_shared<PlantedTile>();
  const int t = threadIdx.x;
  for (int i = 0; i < 2; ++i) {
    if (t % 4 == 0) cp_async_16(&shared.values[i][t], x + t);
    cp_async_commit();
  }
  cp_async_wait<1>();
  __syncthreads();
  out[t] = shared.values[1][t];
}

// The next tile is asked for while others still read the buffer that it goes to.
__global__ void async_copy_too_early_kernel(const float* x, float* out) {
  PlantedTile& shared = block_shared<PlantedTile>();
  const int t = threadIdx.x;
  shared.values[0][t] = x[t];
  __syncthreads();
  const float other = shared.values[0][kPlantedThreads - 1 - t];
  if (t % 4 == 0) cp_async_16(&shared.values[0][t], x + t);
  cp_async_commit();
  __syncwarp();
  cp_async_wait<0>();
  __syncthreads();
  out[t] = other + shared.values[0][t];
}

__global__ void read_beside_atomics_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  if (t >= 2) out[t] = x[t];
  atomicAdd(out, 1.0f);
  if (t == 64) out[1] = out[0];
}

__global__ void misaligned_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  out[t] = reinterpret_cast<const float4*>(x + 1)[t / 8].x;
}

__global__ void write_race_kernel(const float* x, float* out) {
  PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  shared.values[t % 32] = x[t];
  __syncthreads();
  out[t] = shared.values[t % 32];
}

__global__ void shuffle_as_fence_kernel(const float* x, float* out) {
  PlantedShared& shared = block_shared<PlantedShared>();
  const int t = threadIdx.x;
  shared.values[t] = x[t];
  (void)__shfl_xor_sync(kFullWarp, 1, 1);
  out[t] = shared.values[t ^ 1];
}

// Each block reads what another has written.
__global__ void blocks_race_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  if (blockIdx.x == 0) out[t] = x[t];
  if (blockIdx.x == 1) out[t] = 2 * out[t];
}

// The last block to arrive adds up what the others have written, and nobody fences.
__global__ void last_block_without_fence_kernel(const float* x, float* out) {
  const int t = threadIdx.x;
  auto* const arrived = reinterpret_cast<unsigned*>(out);
  if (t == 0) {
    out[1 + blockIdx.x] = x[blockIdx.x];
    if (atomicAdd(arrived, 1u) == gridDim.x - 1) {
      float sum = 0;
      for (unsigned b = 0; b < gridDim.x; ++b) sum += out[1 + b];
      out[100] = sum;
    }
  }
}

template <int kBlocks, int kSharedBytes, auto kKernel>
void launch_planted(const float* x, float* out, cudaStream_t stream) {
  cuda_check(cudaMemsetAsync(out, 0, kPlantedThreads * sizeof(float), stream), "test", "memset");
  cuda_check(launch_kernel(kKernel, kBlocks, kPlantedThreads, kSharedBytes, stream, x, out), "test",
             "launch");
}

}  // namespace

std::vector<PlantedBug> planted_kernel_bugs() {
  return {
      {"no_barrier", launch_planted<1, 0, no_barrier_kernel>},
      {"barrier_in_a_branch", launch_planted<1, 0, barrier_in_a_branch_kernel>},
      {"two_barriers", launch_planted<1, 0, two_barriers_kernel>},
      {"barrier_after_exit", launch_planted<1, 0, barrier_after_exit_kernel>},
      {"lane_has_left", launch_planted<1, 0, lane_has_left_kernel>},
      {"another_collective", launch_planted<1, 0, another_collective_kernel>},
      {"not_in_mask", launch_planted<1, 0, not_in_mask_kernel>},
      {"divergent_mma", launch_planted<1, 0, divergent_mma_kernel>},
      {"read_past_the_end", launch_planted<1, 0, read_past_the_end_kernel>},
      {"write_past_the_end", launch_planted<1, 0, write_past_the_end_kernel>},
      {"past_a_member", launch_planted<1, 0, past_a_member_kernel>},
      {"past_dynamic_shared", launch_planted<1, 64, past_dynamic_shared_kernel>},
      {"uninitialised_shared", launch_planted<1, 0, uninitialised_shared_kernel>},
      {"shared_of_the_last_block", launch_planted<2, 0, shared_of_the_last_block_kernel>},
      {"no_async_wait", launch_planted<1, 0, no_async_wait_kernel>},
      {"async_wait_one_short", launch_planted<1, 0, async_wait_one_short_kernel>},
      {"async_copy_too_early", launch_planted<1, 0, async_copy_too_early_kernel>},
      {"read_beside_atomics", launch_planted<1, 0, read_beside_atomics_kernel>},
      {"misaligned", launch_planted<1, 0, misaligned_kernel>},
      {"write_race", launch_planted<1, 0, write_race_kernel>},
      {"shuffle_as_fence", launch_planted<1, 0, shuffle_as_fence_kernel>},
      {"blocks_race", launch_planted<2, 0, blocks_race_kernel>},
      {"last_block_without_fence", launch_planted<8, 0, last_block_without_fence_kernel>},
  };
}

}  // namespace tessera
