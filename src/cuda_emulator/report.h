#pragma once

#include <vector_types.h>

#include <span>
#include <string>

#include "cuda_emulator/code_place.h"
#include "cuda_emulator/device_thread.h"

namespace tessera {

bool same_place(const CodePlace& a, const CodePlace& b);

/// "attention_cuda.cu:117"
std::string describe_place(const CodePlace& place);

/// "block (3,0,0)"
std::string describe_block(uint3 index);

/// A line for each state that threads are in and each place where they wait:
///   97 threads (first 5, last 127) have exited
std::string describe_threads(std::span<DeviceThread* const> threads);

}  // namespace tessera
