#pragma once

#include <vector_types.h>

#include <span>
#include <string>

#include "cuda_emulator/device_thread.h"
#include "cuda_emulator/source_place.h"

namespace tessera {

bool same_place(const SourcePlace& a, const SourcePlace& b);

/// "attention_cuda.cu:117"
std::string describe_place(const SourcePlace& place);

/// "block (3,0,0)"
std::string describe_block(uint3 index);

/// A line for each state that threads are in and each place where they wait:
///   97 threads (first 5, last 127) have exited
std::string describe_threads(std::span<DeviceThread* const> threads);

}  // namespace tessera
