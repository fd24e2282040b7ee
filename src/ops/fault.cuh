#pragma once

#include "cuda/kernel.cuh"
#include "device/cuda_queue.h"

namespace tessera {

/// Keeps the first number that is wrong (device/cuda_queue.h), for any thread of any kernel. The
/// host may look at any time: it sees `kind` last.
__device__ inline void report_fault(KernelFault* fault, FaultKind kind, int64_t found,
                                    int64_t limit) {
  if (atomicCAS(&fault->claimed, 0, 1) != 0) return;
  fault->found = found;
  fault->limit = limit;
  __threadfence_system();
  atomicExch(reinterpret_cast<int32_t*>(&fault->kind), static_cast<int32_t>(kind));
}

/// Whether 0 <= found < limit; reports what is not.
__device__ inline bool check_number(KernelFault* fault, FaultKind kind, int64_t found,
                                    int64_t limit) {
  if (found >= 0 && found < limit) return true;
  report_fault(fault, kind, found, limit);
  return false;
}

}  // namespace tessera
