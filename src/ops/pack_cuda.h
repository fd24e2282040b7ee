#pragma once

#include "device/cuda_queue.h"
#include "ops/packed_matrix.h"
#include "tensor/dtype.h"

// Weights put in place by a GPU: they are copied there as the file has them, and rounded or
// quantised on the way. The bytes are those of pack_rows, but for the order of f32 and bf16
// (packed_matrix.h). All queue kernels and return; they throw Error when a launch is refused.

namespace tessera {

/// As pack_rows, `from` in the memory of the queue's device. Rows of one panel are packed on one
/// stream, one call after another.
void pack_rows_cuda(const CudaQueue& queue, const PackedMatrix& to, int64_t first_row, int64_t rows,
                    const void* from, DType from_dtype);

/// As pack_padding, on the stream on which the rows then are packed.
void pack_padding_cuda(const CudaQueue& queue, const PackedMatrix& to);

/// As convert (ops/convert.h), both ends in the memory of the queue's device.
void convert_cuda(const CudaQueue& queue, const void* from, DType from_dtype, void* to,
                  DType to_dtype, int64_t count);

}  // namespace tessera
