#pragma once

#include <vector_types.h>

namespace tessera {

/// threadIdx, blockIdx, blockDim and gridDim, to be set for whichever thread runs next. The
/// toolkit declares them constant, and to a thread they are.
struct KernelIndices {
  uint3& thread;
  uint3& block;
  dim3& block_shape;
  dim3& grid_shape;
};
extern const KernelIndices kernel_indices;

}  // namespace tessera
