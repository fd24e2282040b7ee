#pragma once

#include <string_view>

#include "base/cublas_lt_api.h"

namespace tessera {

/// cuBLASLt, found by the first call and kept as long as the process lives; on emulated GPUs, its
/// stand-in. Thread-safe, as the library is. Throws the Error of load_cublas_lt.
const CublasLt& cublas_lt();

/// What dlopen finds under a name. Throws Error when there is no such library, or a function of
/// cuBLASLt is not in it.
CublasLt load_cublas_lt(const char* library);

/// Throws the Error of a function of it that failed.
///   where   the device, "cuda:0"
///   what    what was attempted
void cublas_check(const CublasLt& library, int32_t status, std::string_view where,
                  std::string_view what);

}  // namespace tessera
