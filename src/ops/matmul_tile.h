#pragma once

#include <cstdint>

namespace tessera {

/// Rows of x as the kernels read them: prepared once for a whole matmul, in the type that the
/// weights ask for, chunk by chunk, so that what one pass needs lies in one piece.
///
///   f32 weights    f32 [chunks][rows][chunk]
///   bf16 weights   bf16 [chunks][rows][chunk], rounded to nearest even, denormals to 0
///   int weights    s8 [chunks][rows][chunk]: value = code * scale, the scale being the largest |x|
///                  of the row's group / 127, for int8 after each block of the group has been
///                  replaced by its Walsh-Hadamard transform as the weights were (quantise.h); and
///                  the sum of a group's codes, which takes the place of the weights' zero point
///
/// Inputs past the last are 0.
struct PreparedRows {
  void* values = nullptr;
  float* scales = nullptr;  ///< [groups][rows]; of int weights only, as the sums
  int32_t* sums = nullptr;
};

/// The operands of one matmul, as the kernels see them: raw pointers and no inline functions,
/// because it is compiled for several instruction sets.
struct MatmulOperands {
  const float* x = nullptr;  ///< [rows, in]: what prepare reads
  int64_t x_stride = 0;
  PreparedRows prepared;
  int64_t rows = 0, in = 0, out = 0;

  const void* w = nullptr;  ///< PackedMatrix::data
  int bits = 32;            ///< of a weight
  int64_t group = 0, chunk = 0, chunks = 0, padded_in = 0;
  int64_t panel_bytes = 0, scale_bytes = 0;

  const float* bias = nullptr;  ///< [out], or null
  bool add_to_y = false;
  float* y = nullptr;  ///< [rows, out]
  int64_t y_stride = 0;

  /// What becomes of values before they are written, one of the two, or neither. With swiglu the
  /// first half of w's panels are gates and the others ups, whose columns of y stay as they are.
  void (*gelu)(float* x, int64_t count) = nullptr;
  void (*swiglu)(const float* gate, const float* up, float* to, int64_t count) = nullptr;
  int64_t first_up = 0;  ///< panel
};

/// What one task computes: y of some rows and some panels. With swiglu, half of the panels are
/// gates, from first_panel on, and half are their ups, from first_panel + first_up on.
struct MatmulTile {
  int64_t first_row = 0, rows = 0;
  int64_t first_panel = 0, panels = 0;
  int64_t next_panel = -1;  ///< the first of the tile that follows, where it has other panels
};
inline constexpr int64_t kTileRows = 132, kTilePanels = 4;  ///< of most kernels, at most

/// One instruction set's functions for one kind of weights.
struct MatmulKernel {
  void (*prepare)(const MatmulOperands& op, int64_t row);  ///< one row of x
  void (*compute)(const MatmulOperands& op, const MatmulTile& tile);
  int64_t tile_rows = kTileRows, tile_panels = kTilePanels;  ///< most that a tile may have
  int64_t row_step = 6;      ///< rows of a tile that is not the last: a multiple of it
  int64_t share_rows = 64;   ///< of a share at least: each share reads all weights
  bool wide_chunks = false;  ///< takes PackedMatrix::chunk(true)
  /// A batch of as many rows at most comes as one chunk: that of a kernel whose block takes them
  /// all, so that nothing has to stay in a cache for the next block.
  int64_t one_chunk_rows = 0;
};

// Each element of y, in f32 with one rounding an operation, whatever the instruction set (but for
// bf16 by AMX):
//
//   f32    one fma chain over i = 0, 1, ... from 0
//   bf16   one fma chain over i = 1, 0, 3, 2, ... from 0, denormal inputs and results taken as 0:
//          what the processors' bf16 instruction does
//          AMX: for each 32 inputs in turn: sum = sum + (one chain over the even ones from 0 + one
//          over the odd ones from 0), denormals the same
//   int    for each group in turn: sum = fma(f32(exact sum of code products), x scale * w scale,
//   sum)
//
// then + bias, then + what was in y.
MatmulKernel matmul_kernel_plain(int bits);
MatmulKernel matmul_kernel_avx2(int bits);
MatmulKernel matmul_kernel_avx512(int bits);
MatmulKernel matmul_kernel_avx512_vnni(int bits);  // integers only
MatmulKernel matmul_kernel_avx512_bf16(int bits);  // bf16 only
MatmulKernel matmul_kernel_amx_int8(int bits);     // integers only
MatmulKernel matmul_kernel_amx_bf16(int bits);     // bf16 only

}  // namespace tessera
