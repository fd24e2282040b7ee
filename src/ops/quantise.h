#pragma once

#include <cstdint>

namespace tessera {

/// Numbers that quantise() takes at a time: 128 at 8 bits, 64 below.
constexpr int64_t quantise_group(int bits) {
  return bits == 8 ? 128 : 64;
}

/// One group of weights as codes of `bits` bits and their common scale, in bf16:
///
///   value[i] is about (code[i] - 2^(bits - 1)) * scale
///
/// 8 bits: the scale is the largest |value| / 127, rounded up, so that nothing is clipped. Fewer:
/// the scale's sign puts the largest |value| on code 0, which has no opposite; of that scale and
/// some smaller ones, which clip, the one with the least squared error is taken, the first of equal
/// ones. Each code is the nearest, ties to even. All zeros: scale 0. A group with NaN or infinity
/// gets the scale NaN: what is broken in the checkpoint stays visible in the answer.
///
///   values, codes   [quantise_group(bits)], 64-byte aligned
uint16_t quantise(const float* values, int bits, uint8_t* codes);

/// The loops behind it, for one instruction set each; the same bits.
uint16_t quantise_plain(const float* values, int bits, uint8_t* codes);
uint16_t quantise_avx512(const float* values, int bits, uint8_t* codes);

}  // namespace tessera
