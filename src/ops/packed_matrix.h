#pragma once

#include <cstdint>

#include "device/device.h"
#include "tensor/dtype.h"

namespace tessera {

/// Output rows of one panel: the lanes of one AVX-512 register, or of two AVX2 registers.
inline constexpr int64_t kPanelRows = 16;

/// The weights W of y = x W^T, as the matmul kernels read them: panels of 16 output rows, inside a
/// panel input by input, so that one load gives a weight of 16 neighbouring outputs. Element (o, i)
/// lies at index (o / 16 * in + i) * 16 + o % 16. `out` is padded to whole panels with zeros.
/// A view: never frees. `data` (64-byte aligned) is null on simulated devices.
struct PackedMatrix {
  void* data = nullptr;
  Device* device = nullptr;
  DType dtype = DType::kF32;  ///< f32 or bf16
  int64_t out = 0, in = 0;

  int64_t panels() const { return (out + kPanelRows - 1) / kPanelRows; }

  /// What to allocate, padding included.
  static uint64_t bytes(DType dtype, int64_t out, int64_t in);
};

/// Puts rows [first_row, first_row + rows) of `to` in place from row-major `from` [rows, to.in] in
/// host memory, f32, bf16 or f16, rounded to to.dtype as convert() does. Several sources may be
/// stacked into one matrix (q, k, v): first_row need not be a multiple of 16. For memory that the
/// CPU can write. Different rows may be packed by different threads at once.
/// Throws Error for rows outside the matrix and for other types.
void pack_rows(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
               DType from_dtype);

/// Writes the zeros behind the last row; once for each matrix, before its first use.
void pack_padding(const PackedMatrix& to);

}  // namespace tessera
