#pragma once

#include "cuda/kernel.cuh"
#include "ops/convert.h"
#include "tensor/dtype.h"

namespace tessera {

/// Number `i` of f32, bf16 or f16.
__device__ inline float load_number(const void* from, DType dtype, int64_t i) {
  if (dtype == DType::kF32) return static_cast<const float*>(from)[i];
  const uint16_t half = static_cast<const uint16_t*>(from)[i];
  return dtype == DType::kBF16 ? f32_from_bf16(half) : f32_from_f16(half);
}

/// Number `i` of f32 or bf16, rounded to nearest.
__device__ inline void store_number(void* to, DType dtype, int64_t i, float value) {
  if (dtype == DType::kF32)
    static_cast<float*>(to)[i] = value;
  else
    static_cast<uint16_t*>(to)[i] = bf16_from_f32(value);
}

}  // namespace tessera
