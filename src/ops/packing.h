#pragma once

#include "device/stream.h"
#include "ops/packed_matrix.h"
#include "tensor/dtype.h"

namespace tessera {

// Weights put in place by the device that they are for, queued on one of its streams. `from` is in
// that device's memory; the bytes are those of pack_rows and convert, but for the order in which a
// CUDA device has f32 and bf16 (packed_matrix.h). Rows of one panel must be packed on one stream.

void pack_rows_on(Stream& stream, const PackedMatrix& to, int64_t first_row, int64_t rows,
                  const void* from, DType from_dtype);
void pack_padding_on(Stream& stream, const PackedMatrix& to);
void convert_on(Stream& stream, const void* from, DType from_dtype, void* to, DType to_dtype,
                int64_t count);

/// Whether the matrix stands row by row on its device instead of in panels.
bool stands_in_rows(const PackedMatrix& matrix);

/// Panels [first_panel, first_panel + panels) of `to`, from the same in the order of CPUs: what a
/// packed copy of a model has. For a matrix that stands in rows; others are copied as they are.
void unpack_panels_on(Stream& stream, const PackedMatrix& to, int64_t first_panel, int64_t panels,
                      const void* from);

}  // namespace tessera
