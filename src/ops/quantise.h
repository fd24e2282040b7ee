#pragma once

#include <cstdint>

namespace tessera {

/// Weights that share a scale: 128 at 8 bits, 64 below.
constexpr int64_t quantise_group(int bits) {
  return bits == 8 ? 128 : 64;
}

/// One group of each of 16 rows as codes of `bits` bits and a scale for each row, in bf16:
///
///   value[i][row] is about (code[i][row] - 2^(bits - 1)) * scale[row]
///
///   values   [group][16], 64-byte aligned
///   codes    [group / 4][16][4]: four neighbours of a row side by side, as panels hold them
///   scales   [16]
///
/// 8 bits: the scale is the largest |value| / 127, rounded up, so that nothing is clipped. Fewer:
/// the scale's sign puts the largest |value| on code 0, which has no opposite (of two the positive
/// one); of that scale and some smaller ones, which clip, the one with the least squared error is
/// taken, the first of equal ones. Each code is the nearest, ties to even. All zeros: scale 0. A
/// row with NaN or infinity gets the scale NaN: what is broken in the checkpoint stays visible in
/// the answer.
void quantise(const float* values, int bits, uint8_t* codes, uint16_t* scales);

/// The loops behind it, for one instruction set each; the same bits.
void quantise_plain(const float* values, int bits, uint8_t* codes, uint16_t* scales);
void quantise_avx512(const float* values, int bits, uint8_t* codes, uint16_t* scales);

}  // namespace tessera
