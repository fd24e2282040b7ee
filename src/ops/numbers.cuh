#pragma once

#include "cuda/kernel.cuh"
#include "ops/code_scale.h"
#include "ops/convert.h"
#include "tensor/dtype.h"

namespace tessera {

/// Number `i` of f32, bf16 or f16.
__device__ inline float load_number(const void* from, DType dtype, int64_t i) {
  if (dtype == DType::kF32) return static_cast<const float*>(from)[i];
  const uint16_t half = static_cast<const uint16_t*>(from)[i];
  return dtype == DType::kBF16 ? f32_from_bf16(half) : f32_from_f16(half);
}

/// The code of a number, -127 to 127, under a code_scale() of 127; 0 for NaN, whose bits differ
/// between processors.
__device__ inline int int8_code(float x, float inverse) {
  const float scaled = __fmul_rn(x, inverse);  // on its own: a contraction would round once
  return scaled == scaled ? nearest_code(scaled) : 0;
}

/// to[i] = from[j], of f32 or bf16, rounded to nearest; the same type keeps its bits.
__device__ inline void convert_number(const void* from, DType from_dtype, int64_t j, void* to,
                                      DType to_dtype, int64_t i) {
  if (to_dtype == DType::kF32)
    static_cast<float*>(to)[i] = load_number(from, from_dtype, j);
  else if (from_dtype == DType::kBF16)
    static_cast<uint16_t*>(to)[i] = static_cast<const uint16_t*>(from)[j];
  else
    static_cast<uint16_t*>(to)[i] = bf16_from_f32(load_number(from, from_dtype, j));
}

}  // namespace tessera
