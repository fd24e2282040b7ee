#pragma once

#include <cuda_bf16.h>
#include <driver_types.h>

#include <cstdint>

// Right kernels of the kinds that a backend has, to show what the emulator runs and how fast.

namespace tessera {

/// c = a + b
void add_vectors(const float* a, const float* b, float* c, int count, cudaStream_t stream);

/// *out += the sum of x, by shuffles and an atomic.
void sum_vector(const float* x, float* out, int count, cudaStream_t stream);

/// y = w x, w [rows, columns]; columns a multiple of 8.
void multiply_vector(const __nv_bfloat16* w, const __nv_bfloat16* x, float* y, int rows,
                     int columns, cudaStream_t stream);

/// c = a b^T, a [m, k], b [n, k]; m, n, k multiples of 64. With cp.async, ldmatrix and mma.
void multiply_matrices(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, int m, int n,
                       int k, cudaStream_t stream);

/// *out = the product of int8 vectors; count a multiple of 4.
void multiply_int8(const int8_t* a, const int8_t* b, int* out, int count, cudaStream_t stream);

}  // namespace tessera
