#pragma once

#include <cstdint>

namespace tessera {

/// The operands of one matmul, as the kernels see them: raw pointers and no inline functions,
/// because it is compiled for several instruction sets.
struct MatmulOperands {
  const float* x = nullptr;  ///< [rows, in]
  int64_t x_stride = 0;
  const void* w = nullptr;  ///< panels of 16 output rows, [panels][in][16]
  bool bf16 = false;        ///< w's type; f32 otherwise
  int64_t in = 0, out = 0;
  const float* bias = nullptr;  ///< [out], or null
  bool add_to_y = false;
  float* y = nullptr;  ///< [rows, out]
  int64_t y_stride = 0;
};

/// What one task computes: y of some rows and some panels.
struct MatmulTile {
  int64_t first_row = 0, rows = 0;
  int64_t first_panel = 0, panels = 0;
};

// Each element: one fma chain over in from 0, then + bias, then + what was in y.
void matmul_tile_plain(const MatmulOperands& op, const MatmulTile& tile);
void matmul_tile_avx2(const MatmulOperands& op, const MatmulTile& tile);
void matmul_tile_avx512(const MatmulOperands& op, const MatmulTile& tile);

}  // namespace tessera
