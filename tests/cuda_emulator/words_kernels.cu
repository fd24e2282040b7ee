#include "cuda/check.h"
#include "cuda/kernel.cuh"
#include "tests/cuda_emulator/words_kernels.h"

namespace tessera {
namespace {

constexpr unsigned kWholeWarp = 0xffffffffu;

__global__ void shuffles_kernel(ShuffleKind kind, int argument, int width, int* out) {
  const int lane = threadIdx.x;
  switch (kind) {
    case ShuffleKind::kXor:
      out[lane] = __shfl_xor_sync(kWholeWarp, lane, argument, width);
      break;
    case ShuffleKind::kUp:
      out[lane] = __shfl_up_sync(kWholeWarp, lane, static_cast<unsigned>(argument), width);
      break;
    case ShuffleKind::kDown:
      out[lane] = __shfl_down_sync(kWholeWarp, lane, static_cast<unsigned>(argument), width);
      break;
    case ShuffleKind::kIndex:
      out[lane] = __shfl_sync(kWholeWarp, lane, argument, width);
      break;
  }
}

// out: ballot, any, all, add, min (signed), max (unsigned), and, or, xor; of the even lanes only.
__global__ void votes_kernel(unsigned* out) {
  const int lane = threadIdx.x;
  if (lane % 2 != 0) return;
  constexpr unsigned kEven = 0x55555555u;
  const unsigned results[] = {
      __ballot_sync(kEven, lane > 20),
      static_cast<unsigned>(__any_sync(kEven, lane == 30)),
      static_cast<unsigned>(__all_sync(kEven, lane == 30)),
      __reduce_add_sync(kEven, static_cast<unsigned>(lane)),
      static_cast<unsigned>(__reduce_min_sync(kEven, 7 - lane)),
      __reduce_max_sync(kEven, 7u - static_cast<unsigned>(lane)),
      __reduce_and_sync(kEven, static_cast<unsigned>(lane) | 0x100u),
      __reduce_or_sync(kEven, static_cast<unsigned>(lane)),
      __reduce_xor_sync(kEven, static_cast<unsigned>(lane)),
  };
  if (lane == 0)
    for (int i = 0; i < kVoteResults; ++i) out[i] = results[i];
}

__global__ void barrier_votes_kernel(int* out) {
  const int t = threadIdx.x;
  const int count = __syncthreads_count(t % 3 == 0);
  const int any = __syncthreads_or(t == 50);
  const int all = __syncthreads_and(t >= 0);
  const int not_all = __syncthreads_and(t > 0);
  if (t == 0) {
    out[0] = count;
    out[1] = any;
    out[2] = all;
    out[3] = not_all;
  }
}

__global__ void atomics_kernel(int* ints, float* sum, unsigned long long* large) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&ints[0], t);
  atomicMax(&ints[1], t);
  atomicMin(&ints[2], -t);
  atomicOr(reinterpret_cast<unsigned*>(&ints[3]), 1u << t % 32);
  if (atomicCAS(&ints[4], 0, 1) == 0) atomicExch(&ints[5], 5);
  atomicSub(&ints[6], 1);
  atomicAdd(sum, 0.5f);
  atomicAdd(large, 1ull << 33);
}

// The last block to arrive adds up what all blocks have left, as the programming guide shows.
__global__ void last_block_kernel(const float* x, float* partial, unsigned* arrived, float* out) {
  struct Shared {
    bool is_last;
  };
  Shared& shared = block_shared<Shared>();
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = x[blockIdx.x];
    __threadfence();
    shared.is_last = atomicAdd(arrived, 1u) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (!shared.is_last) return;
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += partial[b];
  out[threadIdx.x] = sum;
}

// Fragments as PTX has them for m16n8k32.
__global__ void multiply_int8_kernel(const uint32_t* a, const uint32_t* b, int* d) {
  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  const uint32_t a_words[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4],
                               a[(g + 8) * 8 + t + 4]};
  const uint32_t b_words[2] = {b[g * 8 + t], b[g * 8 + t + 4]};
  int sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = d[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  mma_int8(sums, a_words, b_words);
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

// Writes each thread's number in the grid of blocks of two or three dimensions.
__global__ void indices_kernel(unsigned* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  out[i] = i + (warpSize == 32 ? 0 : 1);
}

__global__ void dynamic_shared_kernel(int* out) {
  int* const values = dynamic_shared<int>();
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

__global__ void large_static_shared_kernel(int* out) {
  struct Shared {
    char bytes[(48 << 10) + 1];
  };
  block_shared<Shared>().bytes[0] = 1;
  out[threadIdx.x] = 1;
}

__global__ void pointer_kernel(const int* from, int* to) {
  to[threadIdx.x] = from[threadIdx.x];
}

}  // namespace

void run_shuffle(ShuffleKind kind, int argument, int width, int* out, cudaStream_t stream) {
  cuda_check(launch_kernel(shuffles_kernel, 1, 32, 0, stream, kind, argument, width, out), "test",
             "shuffle");
}

void run_votes(unsigned* out, cudaStream_t stream) {
  cuda_check(launch_kernel(votes_kernel, 1, 32, 0, stream, out), "test", "vote");
}

void run_barrier_votes(int* out, cudaStream_t stream) {
  cuda_check(launch_kernel(barrier_votes_kernel, 1, 96, 0, stream, out), "test", "vote");
}

void run_atomics(int* ints, float* sum, unsigned long long* large, cudaStream_t stream) {
  cuda_check(launch_kernel(atomics_kernel, 4, 64, 0, stream, ints, sum, large), "test", "atomics");
}

void run_last_block(const float* x, float* partial, unsigned* arrived, float* out, int blocks,
                    cudaStream_t stream) {
  cuda_check(launch_kernel(last_block_kernel, blocks, 64, 0, stream, x, partial, arrived, out),
             "test", "last block");
}

void run_multiply_int8(const signed char* a, const signed char* b, int* d, cudaStream_t stream) {
  cuda_check(
      launch_kernel(multiply_int8_kernel, 1, 32, 0, stream, reinterpret_cast<const uint32_t*>(a),
                    reinterpret_cast<const uint32_t*>(b), d),
      "test", "multiply");
}

void run_indices(dim3 grid, dim3 block, unsigned* out, cudaStream_t stream) {
  cuda_check(launch_kernel(indices_kernel, grid, block, 0, stream, out), "test", "indices");
}

cudaError_t launch_dynamic_shared(size_t shared_bytes, int threads, int* out, cudaStream_t stream) {
  return launch_kernel(dynamic_shared_kernel, 1, threads, shared_bytes, stream, out);
}

cudaError_t allow_for_dynamic_shared(size_t bytes) {
  return allow_dynamic_shared(dynamic_shared_kernel, bytes);
}

cudaError_t launch_large_static_shared(int* out, cudaStream_t stream) {
  return launch_kernel(large_static_shared_kernel, 1, 32, 0, stream, out);
}

cudaError_t launch_indices(dim3 grid, dim3 block, unsigned* out, cudaStream_t stream) {
  return launch_kernel(indices_kernel, grid, block, 0, stream, out);
}

cudaError_t launch_with_pointers(const int* from, int* to, cudaStream_t stream) {
  return launch_kernel(pointer_kernel, 1, 8, 0, stream, from, to);
}

}  // namespace tessera
