#include "cuda_emulator/kernel_indices.h"

// Not together with the toolkit's device_launch_parameters.h, which says `extern const`.
extern "C" {
uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;
extern const int warpSize;
const int warpSize = 32;
}

namespace tessera {

const KernelIndices kernel_indices = {threadIdx, blockIdx, blockDim, gridDim};

}  // namespace tessera
