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

// Sums 0 .. kSums - 1 stand side by side, 16 numbers of 4 bytes each, rows `stride` bytes apart.
// (The registers of an instruction are part of its name.)
template <int kSums>
void zero_sums() {
  _tile_zero(0);
  if constexpr (kSums > 1) _tile_zero(1);
  if constexpr (kSums > 2) _tile_zero(2);
  if constexpr (kSums > 3) _tile_zero(3);
}
template <int kSums>
void load_sums(const float* from, int64_t stride) {
  _tile_loadd(0, from, stride);
  if constexpr (kSums > 1) _tile_loadd(1, from + kSide, stride);
  if constexpr (kSums > 2) _tile_loadd(2, from + 2 * kSide, stride);
  if constexpr (kSums > 3) _tile_loadd(3, from + 3 * kSide, stride);
}
template <int kSums>
void store_sums(float* to, int64_t stride) {
  _tile_stored(0, to, stride);
  if constexpr (kSums > 1) _tile_stored(1, to + kSide, stride);
  if constexpr (kSums > 2) _tile_stored(2, to + 2 * kSide, stride);
  if constexpr (kSums > 3) _tile_stored(3, to + 3 * kSide, stride);
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
