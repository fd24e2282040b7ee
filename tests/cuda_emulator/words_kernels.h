#pragma once

#include <driver_types.h>
#include <vector_types.h>

// Small kernels that use one word of CUDA each.

namespace tessera {

enum class ShuffleKind { kXor, kUp, kDown, kIndex };

/// out[lane] = the lane whose value a shuffle of `width` lanes gives to it, [32]
void run_shuffle(ShuffleKind kind, int argument, int width, int* out, cudaStream_t stream);

constexpr int kVoteResults = 9;
void run_votes(unsigned* out, cudaStream_t stream);
void run_barrier_votes(int* out, cudaStream_t stream);

/// By 256 threads in 4 blocks, each with its number: ints [7], all 0 before.
void run_atomics(int* ints, float* sum, unsigned long long* large, cudaStream_t stream);
void run_last_block(const float* x, float* partial, unsigned* arrived, float* out, int blocks,
                    cudaStream_t stream);

/// d += a b^T on tensor cores by one warp: a [16][32], b [8][32], d [16][8].
void run_multiply_int8(const signed char* a, const signed char* b, int* d, cudaStream_t stream);

/// out[i] = i for every thread of the grid.
void run_indices(dim3 grid, dim3 block, unsigned* out, cudaStream_t stream);

// What a launch says.
cudaError_t launch_dynamic_shared(size_t shared_bytes, int threads, int* out, cudaStream_t stream);
cudaError_t allow_for_dynamic_shared(size_t bytes);
cudaError_t launch_large_static_shared(int* out, cudaStream_t stream);
cudaError_t launch_indices(dim3 grid, dim3 block, unsigned* out, cudaStream_t stream);
/// to[i] = from[i], 8 of them.
cudaError_t launch_with_pointers(const int* from, int* to, cudaStream_t stream);

}  // namespace tessera
