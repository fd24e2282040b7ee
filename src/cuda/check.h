#pragma once

#include <driver_types.h>

#include <string>
#include <string_view>

namespace tessera {

/// Throws the Error of a CUDA call that failed.
///   where   the device, "cuda:0"
///   what    what was attempted: "allocate 2.1 GiB", "launch rms_norm"
void cuda_check(cudaError_t error, std::string_view where, std::string_view what);

/// Whether the GPU, or the process's context on it, is lost: every later call fails, too.
bool is_sticky(cudaError_t error);

/// "out of memory (cudaErrorMemoryAllocation)"
std::string describe_cuda_error(cudaError_t error);

}  // namespace tessera
