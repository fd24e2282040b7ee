#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/image.h"

namespace tessera {

/// Which input samples make each output sample along one axis, and with what weights, in fixed
/// point: 22 bits after the point, as Pillow's resize has them.
///
/// Output sample i is the sum over t < count of weights[offset + t] * in[first + t], plus outside *
/// ground, rounded and clipped to 0..255.
struct Taps {
  struct Range {
    int64_t first;    ///< input sample
    int64_t count;    ///< may be 0 after clipping
    int64_t offset;   ///< of its first weight in `weights`
    int32_t outside;  ///< sum of the weights that fell on the ground around the picture
  };
  std::vector<Range> ranges = {};  ///< one per output sample
  std::vector<int32_t> weights = {};

  int64_t outputs() const { return static_cast<int64_t>(ranges.size()); }
};

/// The bicubic filter (a = -1/2) that turns `in` samples into `out`, widened by in / out when
/// shrinking, for the outputs [begin, end) only. in, out >= 1.
/// Source: Pillow 9.4 to 13, src/libImaging/Resample.c; Keys 1981 for the cubic.
Taps bicubic_taps(int64_t in, int64_t out, int64_t begin, int64_t end);

/// The same taps for a picture that fills samples [begin, end) of the input, on a ground of one
/// value; input samples count from `begin` afterwards. Sums of integers: the results stay equal.
void clip_taps(Taps& taps, int64_t begin, int64_t end);

/// Rows that resample_columns works on at once.
inline constexpr int64_t kTileRows = 8;
inline constexpr int64_t kTilePixel = kTileRows * 3;  ///< bytes of one column of a tile

/// Resamples kTileRows rows along x.
///   tile     [columns, kTileRows, 3]: the rows' pixels, column after column, so that one weight
///            meets 24 neighbouring bytes. Column 0 is input sample `origin` of the taps.
///   out      row r of the result starts at out + r * out_stride; `rows` of them are written
void resample_columns(const uint8_t* tile, int64_t origin, const Taps& taps, Colour ground,
                      int64_t rows, uint8_t* out, int64_t out_stride);

/// out[j] = the weighted sum of rows[t][j], rounded and clipped, for j < bytes.
void resample_rows(std::span<const uint8_t* const> rows, std::span<const int32_t> weights,
                   int64_t bytes, uint8_t* out);

}  // namespace tessera
