#pragma once

#include <cstdint>

#include "ops/least.h"
#include "ops/matmul_tile.h"

// The walk through one tile, around the register blocks of an instruction set: compiled once for
// each, with internal linkage and nothing inline from other headers.
//
// A tile goes chunk by chunk: what a chunk of four panels takes (32 to 128 KiB) stays in the L1 and
// L2 caches while the tile's rows pass, and both x and the weights are read in the order in which
// they lie. A register block keeps its sums for a whole chunk: entering and leaving one costs as
// much as 60 of its products.

namespace tessera {
namespace {

constexpr int64_t kPanel = 16;                        // output rows of a panel
constexpr int64_t kSumStride = kTilePanels * kPanel;  // sums of one row of a tile
constexpr int64_t kMaxChunk = 768;                    // of integers that are spread
constexpr int64_t kCacheLine = 64;
constexpr int64_t kSharingBlocks = 3;  // from as many on, all ask for the next chunk's weights

/// One chunk of each of a tile's panels.
struct ChunkPanels {
  const void* w[kTilePanels];             ///< numbers, or codes
  const uint16_t* w_scales[kTilePanels];  ///< of codes: bf16 [groups][16]
  const void* next_w[kTilePanels];        ///< where the chunk that follows lies in memory, or null
};

/// One chunk of some rows and some panels.
struct ChunkBlock {
  const void* x;         ///< first row's values of the chunk
  int64_t x_stride;      ///< values from a row to the next
  const void* const* w;  ///< of each panel
  int64_t inputs;        ///< padded
  float* sums;           ///< [rows][kSumStride]

  // What to ask memory for meanwhile: the next block's rows of x, one after the other; this block's
  // weights further on; with each cache line of a row of x, some lines of each panel's next chunk.
  const void* next_x;
  bool weights_ahead;
  const void* const* next_w;  ///< of each panel
  int64_t next_line;          ///< of its cache lines, the first that this block asks for
  int64_t next_lines;         ///< that go with one line of x; 0: none

  // Integers only, of the chunk's groups.
  int64_t group;                    ///< inputs of one; the last may have fewer
  int64_t rows;                     ///< from a group's scales of x to the next's
  const float* x_scales;            ///< [groups][rows]
  const int32_t* x_sums;            ///< [groups][rows]
  const uint16_t* const* w_scales;  ///< of each panel
  int32_t zero;                     ///< the code that means 0
};
using Block = void (*)(const ChunkBlock&);

/// Blocks for 1 to `rows` rows, and how many panels each takes; narrow ones take one. More rows
/// than that are taken `step` at a time.
struct BlockTable {
  int64_t rows, step;
  int64_t panels[8];
  Block wide[8], narrow[8];
};

/// Where the tile's p-th panel lies.
inline const char* panel_of(const MatmulOperands& op, const MatmulTile& tile, int64_t p) {
  const int64_t gates = op.swiglu != nullptr ? tile.panels / 2 : tile.panels;
  const int64_t panel = tile.first_panel + (p < gates ? p : p - gates + op.first_up);
  return static_cast<const char*>(op.w) + panel * op.panel_bytes;
}

/// Its numbers or codes, from some input on.
inline const char* chunk_weights(const MatmulOperands& op, const MatmulTile& tile, int64_t p,
                                 int64_t first_input) {
  return panel_of(op, tile, p) + op.scale_bytes + first_input * kPanel * op.bits / 8;
}

/// Writes the tile's values, made of its sums: all of finish() but swiglu.
inline void finish_values(const MatmulOperands& op, const MatmulTile& tile, float* sums,
                          int64_t stride) {
  const int64_t first = tile.first_panel * kPanel;
  const int64_t count = least(tile.panels * kPanel, op.out - first);
  for (int64_t r = 0; r < tile.rows; ++r) {
    float* sum = sums + r * stride;
    float* y = op.y + (tile.first_row + r) * op.y_stride + first;
    if (op.bias != nullptr) {
      const float* bias = op.bias + first;
#pragma GCC ivdep
      for (int64_t o = 0; o < count; ++o) sum[o] += bias[o];
    }
    if (op.add_to_y) {
#pragma GCC ivdep
      for (int64_t o = 0; o < count; ++o) sum[o] += y[o];
    }
    if (op.gelu != nullptr) op.gelu(sum, count);
#pragma GCC ivdep
    for (int64_t o = 0; o < count; ++o) y[o] = sum[o];
  }
}

inline void finish(const MatmulOperands& op, const MatmulTile& tile, float* sums) {
  if (op.swiglu == nullptr) return finish_values(op, tile, sums, kSumStride);
  const int64_t gates = tile.panels / 2 * kPanel;
  for (int64_t r = 0; r < tile.rows; ++r) {
    float* gate = sums + r * kSumStride;
    op.swiglu(gate, gate + gates,
              op.y + (tile.first_row + r) * op.y_stride + tile.first_panel * kPanel, gates);
  }
}

/// What is read after the chunk that starts at `first_input`: the tile's next one, or the first of
/// the tile that follows. Cache lines that a panel has of it; where those of the p-th begin.
inline int64_t lines_of_next_chunk(const MatmulOperands& op, const MatmulTile& tile,
                                   int64_t first_input) {
  const int64_t next = first_input + op.chunk;
  if (next >= op.padded_in && tile.next_panel < 0) return 0;
  const int64_t left = next < op.padded_in ? op.padded_in - next : op.padded_in;
  return least(left, op.chunk) * kPanel * op.bits / 8 / kCacheLine;
}
inline const char* next_chunk_of(const MatmulOperands& op, const MatmulTile& tile, int64_t p,
                                 int64_t first_input) {
  const int64_t next = first_input + op.chunk;
  if (next < op.padded_in) return chunk_weights(op, tile, p, next);
  if (tile.next_panel < 0) return nullptr;
  return chunk_weights(op, {.first_panel = tile.next_panel, .panels = tile.panels}, p, 0);
}

/// The tile's rows, `step` at a time, with one chunk of weights: add(row, rows) adds its products
/// to the sums of rows from `row` on. What rows have all of theirs is written at once, while the
/// next are computed: the lines of y come from memory meanwhile.
template <typename Add>
void pass_rows(const MatmulOperands& op, const MatmulTile& tile, int64_t first_input, int64_t step,
               float* sums, const Add& add) {
  const bool last = first_input + op.chunk >= op.padded_in;
  for (int64_t row = 0; row < tile.rows; row += step) {
    const int64_t rows = least(tile.rows - row, step);
    float* some = sums + row * kSumStride;
    for (int64_t i = 0; first_input == 0 && i < rows * kSumStride; ++i) some[i] = 0;
    add(row, rows);
    if (last) finish(op, {tile.first_row + row, rows, tile.first_panel, tile.panels}, some);
  }
}

/// While sums are added: denormals count, or, of bf16, FlushDenormals.
struct KeepDenormals {};

/// All rows of the tile with one chunk of weights.
template <typename Denormals = KeepDenormals>
void compute_chunk(const MatmulOperands& op, const MatmulTile& tile, const BlockTable& table,
                   int64_t value_bytes, ChunkBlock block, int64_t first_input, float* sums) {
  const ChunkBlock chunk = block;
  const int64_t row_bytes = op.chunk * value_bytes;
  const auto* x = static_cast<const char*>(op.prepared.values) +
                  (first_input / op.chunk * op.rows + tile.first_row) * row_bytes;
  const int64_t first_scale = first_input / op.group * op.rows + tile.first_row;
  // While rows pass, what the next chunk has of each panel is asked for in equal parts.
  const int64_t step = tile.rows <= table.rows ? tile.rows : table.step;
  const int64_t blocks = (tile.rows + step - 1) / step;
  const int64_t lines = (chunk.inputs * value_bytes + kCacheLine - 1) / kCacheLine;
  const bool shared = blocks >= kSharingBlocks;
  block.next_lines =
      shared ? (lines_of_next_chunk(op, tile, first_input) + blocks * lines - 1) / (blocks * lines)
             : 0;
  block.next_line = 0;
  pass_rows(op, tile, first_input, step, sums, [&](int64_t row, int64_t rows) {
    [[maybe_unused]] const Denormals mode{};
    block.x = x + row * row_bytes;
    block.next_x = x + (row + rows < tile.rows ? row + rows : op.rows) * row_bytes;
    block.weights_ahead = row == 0 && (!shared || first_input == 0);
    if (op.prepared.scales != nullptr) {
      block.x_scales = op.prepared.scales + first_scale + row;
      block.x_sums = op.prepared.sums + first_scale + row;
    }
    for (int64_t panel = 0; panel < tile.panels;) {
      const bool wide = tile.panels - panel >= table.panels[rows - 1];
      block.w = chunk.w + panel;
      block.w_scales = chunk.w_scales + panel;
      block.next_w = chunk.next_w + panel;
      block.sums = sums + row * kSumStride + panel * kPanel;
      (wide ? table.wide : table.narrow)[rows - 1](block);
      panel += wide ? table.panels[rows - 1] : 1;
    }
    block.next_line += lines * block.next_lines;
  });
}

/// What all chunks of a tile have in common. It points into `panels`.
inline ChunkBlock chunk_of(const MatmulOperands& op, const ChunkPanels& panels) {
  ChunkBlock chunk = {};
  chunk.x_stride = op.chunk;
  chunk.w = panels.w;
  chunk.w_scales = panels.w_scales;
  chunk.next_w = panels.next_w;
  return chunk;
}

/// f32 and bf16: panels are read where they lie. compute(chunk, its first input, sums) takes all of
/// the tile's rows through one chunk (pass_rows).
template <typename Compute>
void walk_floats(const MatmulOperands& op, const MatmulTile& tile, const Compute& compute) {
  alignas(64) float sums[kTileRows * kSumStride];
  ChunkPanels panels = {};
  ChunkBlock chunk = chunk_of(op, panels);
  for (int64_t first = 0; first < op.padded_in; first += op.chunk) {
    chunk.inputs = least(op.chunk, op.padded_in - first);
    for (int64_t p = 0; p < tile.panels; ++p) {
      panels.w[p] = chunk_weights(op, tile, p, first);
      panels.next_w[p] = next_chunk_of(op, tile, p, first);
    }
    compute(chunk, first, sums);
  }
}

template <typename Denormals = KeepDenormals>
void compute_floats(const MatmulOperands& op, const MatmulTile& tile, const BlockTable& table) {
  walk_floats(op, tile, [&](const ChunkBlock& chunk, int64_t first_input, float* sums) {
    compute_chunk<Denormals>(op, tile, table, op.bits / 8, chunk, first_input, sums);
  });
}

/// Spreads codes of fewer than 8 bits, one group's, to bytes as those of 8: [inputs / 4][16][4].
using Spread = void (*)(const unsigned char* from, int bits, int64_t inputs, unsigned char* to);

/// Integers. With `spread`, blocks read bytes that it has made; else the codes where they lie.
/// compute() as for floats.
template <typename Compute>
void walk_codes(const MatmulOperands& op, const MatmulTile& tile, Spread spread,
                const Compute& compute) {
  alignas(64) float sums[kTileRows * kSumStride];
  alignas(64) unsigned char bytes[kTilePanels][kMaxChunk * kPanel];
  ChunkPanels panels = {};
  ChunkBlock chunk = chunk_of(op, panels);
  chunk.group = op.group;
  chunk.rows = op.rows;
  chunk.zero = 1 << (op.bits - 1);
  for (int64_t first = 0; first < op.padded_in; first += op.chunk) {
    chunk.inputs = least(op.chunk, op.padded_in - first);
    for (int64_t p = 0; p < tile.panels; ++p) {
      const auto* scales = reinterpret_cast<const uint16_t*>(panel_of(op, tile, p));
      const auto* codes = reinterpret_cast<const unsigned char*>(chunk_weights(op, tile, p, first));
      panels.w_scales[p] = scales + first / op.group * kPanel;
      panels.w[p] = spread != nullptr ? bytes[p] : codes;
      panels.next_w[p] = next_chunk_of(op, tile, p, first);
      for (int64_t i = 0; spread != nullptr && i < chunk.inputs; i += op.group)
        spread(codes + i * kPanel * op.bits / 8, op.bits, least(op.group, chunk.inputs - i),
               bytes[p] + i * kPanel);
    }
    compute(chunk, first, sums);
  }
}

inline void compute_codes(const MatmulOperands& op, const MatmulTile& tile, const BlockTable& table,
                          Spread spread) {
  walk_codes(op, tile, spread, [&](const ChunkBlock& chunk, int64_t first_input, float* sums) {
    compute_chunk(op, tile, table, 1, chunk, first_input, sums);
  });
}

}  // namespace
}  // namespace tessera
