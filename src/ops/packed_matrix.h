#pragma once

#include <cstdint>

#include "device/device.h"
#include "tensor/dtype.h"
#include "tessera/precision.h"

namespace tessera {

/// Output rows of one panel: the lanes of one AVX-512 register, or of two AVX2 registers.
inline constexpr int64_t kPanelRows = 16;

/// How the weights of a precision are stored.
struct WeightFormat {
  int bits;         ///< of one weight
  bool integer;     ///< codes and scales; otherwise the numbers themselves
  int64_t group;    ///< inputs that share one scale; without scales, what a chunk is a multiple of
  int64_t quantum;  ///< inputs are padded to a multiple of this
  int64_t chunk;    ///< inputs that kernels take at a time, about
  int64_t wide_chunk = 0;  ///< or at most, those that read weights from the L2 cache; 0: none does
};

constexpr WeightFormat weight_format(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return {.bits = 32, .integer = false, .group = 64, .quantum = 1, .chunk = 256};
    case Precision::kBF16:
      return {.bits = 16,
              .integer = false,
              .group = 64,
              .quantum = 2,
              .chunk = 512,
              .wide_chunk = 1024};
    case Precision::kInt8:
      return {.bits = 8, .integer = true, .group = 128, .quantum = 16, .chunk = 512};
    case Precision::kInt6:
      return {.bits = 6, .integer = true, .group = 64, .quantum = 16, .chunk = 512};
    case Precision::kInt5:
      return {.bits = 5, .integer = true, .group = 64, .quantum = 16, .chunk = 512};
    case Precision::kInt4:
      return {.bits = 4, .integer = true, .group = 64, .quantum = 16, .chunk = 512};
    case Precision::kFp8:
      break;
  }
  return {.bits = 0, .integer = false, .group = 1, .quantum = 1, .chunk = 1};  // no kernel has it
}

/// The weights W of y = x W^T, as the matmul kernels read them: panels of 16 output rows, each
/// panel in one piece, in the order in which a kernel walks through it. With o the row in the panel
/// and i the input:
///
///   f32    [in][16]          element i, o
///   bf16   [in / 2][16][2]   element i / 2, o, i % 2
///   int    first the scales, bf16 [groups][16], padded to 64 bytes; then the groups, each of them
///            int8   codes [n / 4][16][4]
///            others codes' lower four bits [n / 8][16][4]: a byte holds input 8 j + b below and
///                   8 j + 4 + b above; then their bit 4, and bit 5, as bits [n / 8][2][64]:
///                   of the 64 codes 8 j + 4 h + (0 .. 3) of 16 rows, in the order of int8
///          n is the group's length, the last may be shorter; weight = (code - 2^(bits - 1)) *
///          scale; of int8, of the rotated inputs (rotate() in quantise.h)
///
/// On CUDA devices, whose libraries ask for it, f32 and bf16 stand row by row instead:
/// [out][padded_in].
///
/// `out` is padded to whole panels and `in` to whole quanta, with zeros. A view: never frees.
/// `data` (64-byte aligned) is null on simulated devices.
struct PackedMatrix {
  void* data = nullptr;
  Device* device = nullptr;
  Precision precision = Precision::kF32;
  int64_t out = 0, in = 0;

  WeightFormat format() const { return weight_format(precision); }
  int64_t panels() const { return (out + kPanelRows - 1) / kPanelRows; }
  int64_t groups() const { return (in + format().group - 1) / format().group; }
  /// Inputs that kernels take at a time: whole groups, and no short rest where it can be helped.
  /// `wide`: at most the format's wide_chunk, which it must have; else about its chunk.
  int64_t chunk(bool wide = false) const;
  int64_t chunks(bool wide = false) const { return (in + chunk(wide) - 1) / chunk(wide); }
  int64_t one_chunk() const { return groups() * format().group; }  ///< of all inputs
  /// Values of a row of x, prepared for any kernel: what PreparedRows needs room for.
  int64_t prepared_in() const;
  int64_t padded_in() const;
  int64_t scale_bytes() const;  ///< in front of each panel
  int64_t panel_bytes() const;
  uint64_t bytes() const { return static_cast<uint64_t>(panels() * panel_bytes()); }

  /// What to allocate, padding included.
  static uint64_t bytes(Precision precision, int64_t out, int64_t in) {
    return PackedMatrix{.precision = precision, .out = out, .in = in}.bytes();
  }
};

/// Puts rows [first_row, first_row + rows) of `to` in place from row-major `from` [rows, to.in] in
/// host memory, f32, bf16 or f16: rounded to nearest, or quantised (quantise.h). Several sources
/// may be stacked into one matrix (q, k, v): first_row need not be a multiple of 16. For memory
/// that the CPU can write. Different rows may be packed by different threads at once.
/// Throws Error for rows outside the matrix and for other types.
void pack_rows(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
               DType from_dtype);

/// Throws the Error of pack_rows when it would not take these.
void check_pack_rows(const PackedMatrix& to, int64_t first_row, int64_t rows, DType from_dtype);

/// Writes the zeros behind the last row; once for each matrix, before its rows.
void pack_padding(const PackedMatrix& to);

}  // namespace tessera
