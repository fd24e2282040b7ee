#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cuda_emulator/thread_order.h"

namespace tessera {

struct GridShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;  ///< dynamic
};

/// Runs `body` once for every thread of every block, one block after another, on the calling thread
/// (always the same one), as EmulatedMachine says. Throws KernelFailure.
void run_grid(const GridShape& shape, ThreadOrder order, uint64_t seed, bool kernels_seen,
              const std::function<void()>& body);

}  // namespace tessera
