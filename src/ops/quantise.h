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

/// Before they are quantised to 8 bits: each block of n inputs replaced by its Walsh-Hadamard
/// transform over n,
///
///   value'[j] = sum over i of (-1)^popcount(i & j) * value[i] / n
///
/// with n = 128, or of a shorter group the largest powers of two that it is the sum of. Rows of x
/// are transformed too (matmul_tile.h), without the division, which leaves every product x . w as
/// it was. What one input was far ahead of the others is then spread over all of them, and a scale
/// for the group fits each. Source: Ashkboos et al. 2024, arXiv:2404.00456 (QuaRot), here by
/// groups.
///
///   values   [inputs][16] in place, 64-byte aligned
///   inputs   a multiple of 16, at most 128
void rotate(float* values, int64_t inputs);

/// The loops behind them, for one instruction set each; the same bits.
void rotate_plain(float* values, int64_t inputs);
void rotate_avx512(float* values, int64_t inputs);
void quantise_plain(const float* values, int bits, uint8_t* codes, uint16_t* scales);
void quantise_avx512(const float* values, int bits, uint8_t* codes, uint16_t* scales);

}  // namespace tessera
