#pragma once

#include <cstdint>

#include "ops/matmul_tile.h"

// The walk through one tile, around the register blocks of an instruction set: compiled once for
// each, with internal linkage and nothing inline from other headers.
//
// A tile goes group by group: 64 or 128 inputs of four panels (8 to 16 KiB) stay in the L1 cache
// while the tile's rows pass, 24 to 48 KiB of sums stay in L2, and both x and the weights are read
// in the order in which they lie.

namespace tessera {
namespace {

constexpr int64_t kPanel = 16;                        // output rows of a panel
constexpr int64_t kSumStride = kTilePanels * kPanel;  // sums of one row of a tile
constexpr int64_t kMaxGroup = 128;

/// One group of some rows and some panels.
struct GroupBlock {
  const void* x;               ///< first row's values of the group
  int64_t x_stride;            ///< values from a row to the next
  const void* w[kTilePanels];  ///< of each panel: numbers, or codes of 8 bits
  const float* x_scales;       ///< integers only, as the rest
  const int32_t* x_sums;
  const uint16_t* w_scales[kTilePanels];  ///< bf16 [16]
  int32_t zero;                           ///< the code that means 0
  int64_t inputs;                         ///< padded
  float* sums;                            ///< [rows][kSumStride]
};
using Block = void (*)(const GroupBlock&);

inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline void finish(const MatmulOperands& op, const MatmulTile& tile, const float* sums) {
  const int64_t first = tile.first_panel * kPanel;
  const int64_t count = least(tile.panels * kPanel, op.out - first);
  for (int64_t r = 0; r < tile.rows; ++r) {
    const float* sum = sums + r * kSumStride;
    float* y = op.y + (tile.first_row + r) * op.y_stride + first;
    for (int64_t o = 0; o < count; ++o) {
      float value = sum[o];
      if (op.bias != nullptr) value += op.bias[first + o];
      if (op.add_to_y) value += y[o];
      y[o] = value;
    }
  }
}

/// Kernel has
///   kMaxRows, kManyRows          rows of its largest block, and of the one for many rows
///   wide(rows)                   panels of the block for that many rows: 1 to kTilePanels
///   kWide[rows - 1], kNarrow[]   blocks of that many panels, and of one
///   kValueBytes                  of one prepared value
template <typename Kernel>
void compute_groups(const MatmulOperands& op, const MatmulTile& tile, GroupBlock block,
                    const int64_t g, float* sums) {
  const auto* x = static_cast<const char*>(op.prepared.values);
  for (int64_t row = 0; row < tile.rows;) {
    const int64_t left = tile.rows - row;
    const int64_t rows = left <= Kernel::kMaxRows ? left : Kernel::kManyRows;
    const int64_t line = g * op.rows + tile.first_row + row;
    block.x = x + line * op.group * Kernel::kValueBytes;
    if (Kernel::kInteger) {
      block.x_scales = op.prepared.scales + line;
      block.x_sums = op.prepared.sums + line;
    }
    const int64_t step = Kernel::wide(rows);
    GroupBlock part = block;
    for (int64_t panel = 0; panel < tile.panels;) {
      const bool narrow = tile.panels - panel < step;
      for (int64_t p = 0; p < (narrow ? 1 : step); ++p) {
        part.w[p] = block.w[panel + p];
        if (Kernel::kInteger) part.w_scales[p] = block.w_scales[panel + p];
      }
      part.sums = sums + row * kSumStride + panel * kPanel;
      (narrow ? Kernel::kNarrow : Kernel::kWide)[rows - 1](part);
      panel += narrow ? 1 : step;
    }
    row += rows;
  }
}

/// f32 and bf16: blocks read the panels where they lie.
template <typename Kernel>
void compute_floats(const MatmulOperands& op, const MatmulTile& tile) {
  alignas(64) float sums[kTileRows * kSumStride];
  for (int64_t i = 0; i < tile.rows * kSumStride; ++i) sums[i] = 0;
  GroupBlock block = {};
  block.x_stride = op.group;
  const auto* w = static_cast<const char*>(op.w) + tile.first_panel * op.panel_bytes;
  for (int64_t g = 0; g < op.groups; ++g) {
    const int64_t first = g * op.group;
    block.inputs = least(op.group, op.padded_in - first);
    for (int64_t p = 0; p < tile.panels; ++p)
      block.w[p] = w + p * op.panel_bytes + first * kPanel * op.bits / 8;
    compute_groups<Kernel>(op, tile, block, g, sums);
  }
  finish(op, tile, sums);
}

/// Integers: codes of fewer than 8 bits are first spread to bytes, [n / 4][16][4] as those of 8.
template <typename Kernel>
void compute_codes(const MatmulOperands& op, const MatmulTile& tile) {
  alignas(64) float sums[kTileRows * kSumStride];
  alignas(64) unsigned char bytes[kTilePanels][kMaxGroup / 2 * kPanel];
  for (int64_t i = 0; i < tile.rows * kSumStride; ++i) sums[i] = 0;
  GroupBlock block = {};
  block.x_stride = op.group;
  block.zero = 1 << (op.bits - 1);
  const auto* w = static_cast<const unsigned char*>(op.w) + tile.first_panel * op.panel_bytes;
  for (int64_t g = 0; g < op.groups; ++g) {
    const int64_t first = g * op.group;
    block.inputs = least(op.group, op.padded_in - first);
    for (int64_t p = 0; p < tile.panels; ++p) {
      const unsigned char* panel = w + p * op.panel_bytes;
      const unsigned char* codes = panel + op.scale_bytes + first * kPanel * op.bits / 8;
      block.w_scales[p] = reinterpret_cast<const uint16_t*>(panel) + g * kPanel;
      if (op.bits < 8) Kernel::spread(codes, op.bits, block.inputs, bytes[p]);
      block.w[p] = op.bits < 8 ? bytes[p] : codes;
    }
    compute_groups<Kernel>(op, tile, block, g, sums);
  }
  finish(op, tile, sums);
}

}  // namespace
}  // namespace tessera
