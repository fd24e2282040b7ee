#pragma once

#include <driver_types.h>

#include <cstddef>
#include <cstdint>

namespace tessera {

/// d[out, rows] = alpha a[in, out]^T b[in, rows] (+ bias[out]) + beta c[out, rows], column by
/// column; a and b of bf16. c has the stride of d and may be d; where beta is 0 it is not read.
struct LibraryGemm {
  int64_t rows = 0, in = 0, out = 0;
  int64_t a_stride = 0, b_stride = 0, d_stride = 0;
  const uint16_t *a = nullptr, *b = nullptr;
  const float *c = nullptr, *bias = nullptr;  ///< bias: null for none
  float* d = nullptr;
  float alpha = 1, beta = 0;
  void* workspace = nullptr;  ///< what it leaves there is no number
  size_t workspace_bytes = 0;
};

/// Runs it, or fails as a kernel on that GPU is to: on the executor's thread. Sums in double,
/// rounded once.
cudaError_t run_library_gemm(const LibraryGemm& gemm, int gpu);

}  // namespace tessera
