#pragma once

#include <utility>

#include "cuda/check.h"
#include "cuda/kernel.cuh"
#include "device/cuda_queue.h"

namespace tessera {

/// Queues an op's kernel, no shared memory but its own; nothing for a grid without blocks. Throws
/// Error, naming the op, when the launch is refused.
template <typename... Parameters, typename... Arguments>
void enqueue(const CudaQueue& queue, const char* op, void (*kernel)(Parameters...), dim3 grid,
             dim3 block, Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cuda_check(
      launch_kernel(kernel, grid, block, 0, queue.stream, std::forward<Arguments>(arguments)...),
      op, "launch");
}

}  // namespace tessera
