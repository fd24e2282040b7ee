#pragma once

#include "device/cuda_queue.h"
#include "ops/packed_matrix.h"

namespace tessera {

/// Panels [first_panel, first_panel + panels) of floats put row by row into `to`; `from` is the
/// first of them in the order of CPUs (packed_matrix.h), in the memory of the queue's device.
void unpack_panels_cuda(const CudaQueue& queue, const PackedMatrix& to, int64_t first_panel,
                        int64_t panels, const void* from);

}  // namespace tessera
