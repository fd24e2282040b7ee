#pragma once

#include <bit>
#include <cstdint>

#include "tensor/dtype.h"

namespace tessera {

/// `count` numbers in host memory from f32, bf16 or f16 to f32 or bf16; rounds to nearest, ties to
/// even; infinities and NaN stay what they are. Same types: a copy. The ranges must not overlap.
/// Throws Error for other types.
void convert(const void* from, DType from_dtype, void* to, DType to_dtype, int64_t count);

/// One number: bf16 is the upper half of an f32, so this is exact.
constexpr float f32_from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/// Exact: moved to the place of an f32's bits, a half is its value times 2^-112, subnormal or not;
/// the product puts that right. Infinity and NaN come out 2^16 and above: their exponent is set.
constexpr float f32_from_f16(uint16_t half) {
  const auto bits = static_cast<uint32_t>(half);
  const float magnitude = std::bit_cast<float>((bits & 0x7fffU) << 13) * 0x1p112F;
  const uint32_t special = (bits & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special |
                              (bits & 0x8000U) << 16);
}

/// Rounds to nearest, ties to even. A NaN becomes a quiet NaN.
constexpr uint16_t bf16_from_f32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return static_cast<uint16_t>(value == value ? rounded : bits >> 16 | 0x40);
}

}  // namespace tessera
