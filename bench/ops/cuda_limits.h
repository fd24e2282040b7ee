#pragma once

#include <cstdint>

#include "device/cuda_queue.h"

namespace tessera {

/// Reads `bytes`, a multiple of 16, once, and adds to *sum so that nobody can leave it out.
void read_all(const CudaQueue& queue, const void* data, uint64_t bytes, uint32_t* sum);

/// Products of bf16 tiles from registers (mma_bf16) on the whole card; returns how many operations.
double multiply_tiles(const CudaQueue& queue, uint32_t* sum);

}  // namespace tessera
