#pragma once

#include <cstdint>

// Internal linkage because it is compiled several times, for several instruction sets; constexpr so
// that kernels have it too.

namespace tessera {

/// The bf16 nearest to an f32, ties to even, as the processors' bf16 instructions take their
/// inputs: denormal numbers become 0 with their sign. NaN stays NaN, quiet.
static constexpr uint16_t bf16_rounded(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t size = bits & 0x7fffffff;
  const uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const uint32_t quiet = bits >> 16 | 0x40;
  const uint32_t normal = size > 0x7f800000 ? quiet : nearest;
  return static_cast<uint16_t>(size < 0x00800000 ? bits >> 16 & 0x8000 : normal);
}

}  // namespace tessera
