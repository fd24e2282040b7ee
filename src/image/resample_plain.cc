#include <algorithm>
#include <array>

#include "image/resample_kernels.h"

namespace tessera {
namespace {

constexpr int32_t kHalf = 1 << (kWeightBits - 1);

uint8_t round_shift(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

}  // namespace

void narrow_tile_plain(const TilePass& pass) {
  for (int64_t i = 0; i < pass.outputs; ++i) {
    const Taps::Range& range = pass.ranges[i];
    std::array<int32_t, kResampleColumn> sum;
    for (size_t j = 0; j < kResampleColumn; ++j)
      sum[j] = kHalf + range.outside * pass.ground[j % 3];
    for (int64_t t = 0; t < range.count; ++t) {
      const uint8_t* in = pass.tile + (range.first + t - pass.origin) * kResampleColumn;
      const int32_t weight = pass.weights[range.offset + t];
      for (size_t j = 0; j < kResampleColumn; ++j) sum[j] += weight * in[j];
    }
    for (int64_t r = 0; r < pass.rows; ++r)
      for (int64_t c = 0; c < 3; ++c)
        pass.out[r * pass.out_stride + i * 3 + c] =
            round_shift(sum[static_cast<size_t>(r * 3 + c)]);
  }
}

void blend_rows_plain(const RowPass& pass) {
  constexpr int64_t kChunk = 64;  // sums that stay close while the rows pass by
  std::array<int32_t, kChunk> sum;
  for (int64_t start = 0; start < pass.bytes; start += kChunk) {
    const auto width = static_cast<size_t>(std::min(kChunk, pass.bytes - start));
    sum.fill(kHalf);
    for (int64_t t = 0; t < pass.count; ++t)
      for (size_t j = 0; j < width; ++j)
        sum[j] += pass.weights[t] * pass.rows[t][start + static_cast<int64_t>(j)];
    for (size_t j = 0; j < width; ++j)
      pass.out[start + static_cast<int64_t>(j)] = round_shift(sum[j]);
  }
}

}  // namespace tessera
