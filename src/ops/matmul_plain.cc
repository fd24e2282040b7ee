#include <cmath>

#include "ops/matmul_loops.h"
#include "ops/prepare_rows.h"

// The reference: one element after the other, as matmul_tile.h defines it. It is never made faster.

namespace tessera {
namespace {

float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &wide, sizeof(value));
  return value;
}

// As a processor that takes denormals as 0.
float flush(float value) {
  return std::fabs(value) < 0x1p-126F ? std::copysign(0.0F, value) : value;
}

template <typename Element>
void each(const ChunkBlock& b, const Element& element) {
  for (int64_t o = 0; o < kPanel; ++o) b.sums[o] = element(o, b.sums[o]);
}

void block_f32(const ChunkBlock& b) {
  const auto* x = static_cast<const float*>(b.x);
  const auto* w = static_cast<const float*>(b.w[0]);
  each(b, [&](int64_t o, float sum) {
    for (int64_t i = 0; i < b.inputs; ++i) sum = std::fma(x[i], w[i * kPanel + o], sum);
    return sum;
  });
}

void block_bf16(const ChunkBlock& b) {
  const auto* x = static_cast<const uint16_t*>(b.x);
  const auto* w = static_cast<const uint16_t*>(b.w[0]);
  const auto product = [&](int64_t i, int64_t o, float sum) {
    const float weight = flush(from_bf16(w[(i / 2 * kPanel + o) * 2 + i % 2]));
    return flush(std::fma(from_bf16(x[i]), weight, sum));
  };
  each(b, [&](int64_t o, float sum) {
    for (int64_t i = 0; i < b.inputs; i += 2) sum = product(i, o, product(i + 1, o, sum));
    return sum;
  });
}

void block_codes(const ChunkBlock& b) {
  const auto* x = static_cast<const int8_t*>(b.x);
  const auto* w = static_cast<const unsigned char*>(b.w[0]);
  each(b, [&](int64_t o, float sum) {
    for (int64_t g = 0; g * b.group < b.inputs; ++g) {
      int32_t whole = 0;
      for (int64_t i = g * b.group; i < least(b.inputs, (g + 1) * b.group); ++i)
        whole += x[i] * (w[(i / 4 * kPanel + o) * 4 + i % 4] - b.zero);
      const float scale = b.x_scales[g * b.rows] * from_bf16(b.w_scales[0][g * kPanel + o]);
      sum = std::fma(static_cast<float>(whole), scale, sum);
    }
    return sum;
  });
}

void spread(const unsigned char* from, int bits, int64_t inputs, unsigned char* to) {
  const unsigned char* planes = from + inputs * kPanel / 2;
  for (int64_t i = 0; i < inputs; ++i)
    for (int64_t o = 0; o < kPanel; ++o) {
      const unsigned low = from[(i / 8 * kPanel + o) * 4 + i % 4] >> (i % 8 / 4 * 4) & 15U;
      const int64_t at = i / 4 * 64 + o * 4 + i % 4;  // the code's place, and its bit's
      unsigned code = low;
      for (int bit = 4; bit < bits; ++bit)
        code |= (planes[(bit - 4) * inputs * kPanel / 8 + at / 8] >> at % 8 & 1U) << bit;
      to[at] = static_cast<unsigned char>(code);
    }
}

template <Block block>
constexpr BlockTable kOne = {
    .rows = 1, .step = 1, .panels = {1}, .wide = {block}, .narrow = {block}};

}  // namespace

MatmulKernel matmul_kernel_plain(int bits) {
  if (bits == 32)
    return {prepare_f32, [](const MatmulOperands& op, const MatmulTile& tile) {
              compute_floats(op, tile, kOne<block_f32>);
            }};
  if (bits == 16)
    return {prepare_bf16, [](const MatmulOperands& op, const MatmulTile& tile) {
              compute_floats(op, tile, kOne<block_bf16>);
            }};
  return {prepare_codes, [](const MatmulOperands& op, const MatmulTile& tile) {
            compute_codes(op, tile, kOne<block_codes>, op.bits == 8 ? nullptr : spread);
          }};
}

}  // namespace tessera
