#pragma once

#include <cstdint>

#include "cuda/kernel.cuh"
#include "device/cuda_queue.h"
#include "ops/cuda.h"

// The matmul kernels of CUDA devices, and the one order in which all of them add.
//
// Weights of f32: one fma chain over the inputs, as on CPUs, to the same bits.
//
// Integers: as on CPUs, to the same bits (matmul_tile.h). x is rounded to codes of 8 bits with a
// scale for each group, for int8 after the group was rotated (quantise.h), and
//
//   group = sum over its inputs of x code * code      on the tensor cores, exact
//   sum   = fma(group, x scale * scale, sum)          group after group, from 0
//
// bf16: x is rounded to bf16, and
//
//   group = sum over 128 inputs of x * w              on the tensor cores, in f32, from 0
//   sum   = sum + group                               group after group, from 0
//
// then + bias, then + what was in out. A tensor core cuts off what it adds, so its sums are kept
// short. It takes a group of bf16 in blocks of 32 inputs, a block in two steps of 16, which are
// inputs 8 t + 4 s + i of it (t, i = 0 .. 3) for the steps s = 0, 1. Which kernel, how many rows,
// warps and blocks there are changes no bit of a row. More than 16 rows of bf16 on a device with
// DeviceInfo::cublaslt are the exception: they are added in the library's order (CudaGemms).

namespace tessera {

/// The numbers of one matmul of any weights but f32, as its kernels take them.
struct MatmulShape {
  int rows, in, out;
  int padded_in;  ///< of w
  int x_stride;   ///< prepared inputs from a row to the next: `in` to a multiple of 64, 0 behind
  int x_scale_stride;  ///< of integers: scales of x from a group's to the next's
  int groups;          ///< of kGroupInputs
  int panels;          ///< of w; of bf16, which stands row by row, as if it had them
  int panel_bytes;     ///< of bf16: of a row
  int scale_bytes;     ///< in front of each panel
  int64_t out_stride;
  bool add_to_out;
  bool out_aligned;  ///< rows of out and the bias start at multiples of 16 bytes
};

/// Inputs that are added before their scale is applied.
template <int kBits>
constexpr int kGroupInputs = kBits >= 8 ? 128 : 64;

inline constexpr int kBlockInputs = 32;  // that a warp multiplies at a time
inline constexpr int kWarpOutputs = 32;  // two panels

/// What every launch takes. Pointers are device memory; `bias` may be null.
struct MatmulPointers {
  const unsigned char* x;  ///< prepared: bf16, or codes
  const float* x_scales;   ///< of codes: [groups][shape.x_scale_stride]
  const unsigned char* w;
  const float* bias;
  float* out;
};

/// x [rows, in] f32 as the kernels of weights of so many bits read it: [rows][shape.x_stride] of
/// bf16, or of codes and their scales.
void matmul_prepare(const CudaQueue& queue, int bits, const float* x, int64_t stride,
                    const MatmulShape& shape, const PreparedRows& to);

/// At most kMostFewRows rows: each block reads its weights once, its warps share out the groups.
void matmul_few_rows(const CudaQueue& queue, int bits, const MatmulPointers& pointers,
                     const MatmulShape& shape);

/// Any number of rows: each warp goes through all groups for up to 64 rows at once.
void matmul_many_rows(const CudaQueue& queue, int bits, const MatmulPointers& pointers,
                      const MatmulShape& shape);

/// f32 weights, row by row, any number of rows of x as it is.
struct MatmulF32Shape {
  int rows, in, out;
  int64_t x_stride, out_stride;
  bool add_to_out;
};
void matmul_f32(const CudaQueue& queue, const float* x, const float* w, const float* bias,
                float* out, const MatmulF32Shape& shape);

}  // namespace tessera
