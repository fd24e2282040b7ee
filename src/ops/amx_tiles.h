#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/least.h"

// The tile registers of AMX, shared out between rows and what they are multiplied by. Only for
// files compiled for it: internal linkage.

namespace tessera {
namespace {

// Rows and outputs of a register, the bytes of one of its rows, and the rows of x that share what
// is loaded of the weights.
constexpr int64_t kSide = 16, kLineBytes = 64, kStepRows = 2 * kSide;

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// What memory holds is there before tiles are loaded from it: their intrinsics do not say that
// they read.
inline void settle_memory() {
  asm volatile("" : : : "memory");
}

struct TileShape {
  int64_t rows, row_bytes = kLineBytes;
};

inline void shape_tiles(const TileShape (&tiles)[8]) {
  TileShapes shapes;
  for (int t = 0; t < 8; ++t)
    if (tiles[t].rows > 0) {
      shapes.rows[t] = static_cast<uint8_t>(tiles[t].rows);
      shapes.row_bytes[t] = static_cast<uint16_t>(tiles[t].row_bytes);
    }
  asm volatile("" : : "r"(&shapes) : "memory");
  _tile_loadconfig(&shapes);
}

/// Registers 0 to 3: sums of two blocks of rows and two panels; 4, 5: x; 6, 7: weights. All other
/// code must find the tiles released.
inline void shape_two_by_two(int64_t rows) {
  const int64_t first = least(rows, kSide), second = rows - first;
  shape_tiles({{first}, {first}, {second}, {second}, {first}, {second}, {kSide}, {kSide}});
}

/// Registers 0 to 3: sums of one block of rows and four panels; 4: x; 6, 7: weights.
inline void shape_one_by_four(int64_t rows) {
  shape_tiles({{rows}, {rows}, {rows}, {rows}, {rows}, {0}, {kSide}, {kSide}});
}

}  // namespace
}  // namespace tessera
