#pragma once

#include "ops/packed_matrix.h"

namespace tessera {

/// pack_rows for integers: quantises `rows` rows, all of one panel, and puts codes and
/// scales in place. Bytes that rows share are set with atomic operations where the rows are not the
/// whole panel.
void pack_codes(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
                DType from_dtype);

}  // namespace tessera
