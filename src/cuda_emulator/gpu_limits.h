#pragma once

#include <vector_types.h>

#include <cstddef>

#include "cuda_emulator/device_thread.h"

namespace tessera {

// Of compute capability 8.6. Source: CUDA C++ programming guide 13.0, table "Technical
// Specifications per Compute Capability".

inline constexpr int kCapabilityMajor = 8, kCapabilityMinor = 6;
inline constexpr dim3 kMaxBlock = {1024, 1024, 64};
inline constexpr dim3 kMaxGrid = {2147483647, 65535, 65535};
inline constexpr size_t kDefaultSharedBytes = 48 << 10;  ///< of a block, unless a kernel asks
inline constexpr size_t kMaxSharedBytes = 99 << 10;      ///< of a block, if it asks
inline constexpr size_t kProcessorSharedBytes = 100 << 10;
inline constexpr int kRegisters = 65536;
inline constexpr int kLeastPriority = 0, kGreatestPriority = -5;  ///< of streams
inline constexpr size_t kAllocationGranule = 512;                 ///< what cudaMalloc charges in

}  // namespace tessera
