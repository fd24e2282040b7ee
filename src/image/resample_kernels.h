#pragma once

#include <cstdint>

#include "image/resample.h"

namespace tessera {

// The two passes of a resize, one version per instruction set. All give the same bits: they add
// integers. Plain pointers only, so that a file compiled for newer instructions shares no inline
// function with the others.

inline constexpr int64_t kResampleRows = 8;  ///< rows that narrow_tile works on at once
inline constexpr int64_t kResampleColumn = kResampleRows * 3;  ///< bytes of one column of a tile

/// The horizontal pass over up to kResampleRows rows.
struct TilePass {
  const uint8_t* tile;  ///< [columns, kResampleRows, 3]: column after column, so that one weight
                        ///< meets 24 neighbouring bytes
  int64_t origin;       ///< input sample that is column 0
  const Taps::Range* ranges;  ///< [outputs]
  int64_t outputs;
  const int32_t* weights;  ///< of the taps
  const uint8_t* ground;   ///< [3]
  int64_t rows;            ///< that are written, <= kResampleRows
  uint8_t* out;            ///< row r starts at out + r * out_stride
  int64_t out_stride;
};
void narrow_tile_plain(const TilePass& pass);
void narrow_tile_avx2(const TilePass& pass);

/// One row of the vertical pass: out[j] = sum over t of weights[t] * rows[t][j], rounded and
/// clipped, for j < bytes.
struct RowPass {
  const uint8_t* const* rows;  ///< [count]
  const int32_t* weights;      ///< [count]
  int64_t count;
  int64_t bytes;
  uint8_t* out;
};
void blend_rows_plain(const RowPass& pass);
void blend_rows_avx2(const RowPass& pass);

}  // namespace tessera
