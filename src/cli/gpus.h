#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "tessera/devices.h"

namespace tessera {

/// The GPUs of `tessera devices`: a table of what they are, one of how they fare, and, of several,
/// how they reach each other.
std::string describe_gpus(std::span<const GpuReport> gpus);

/// One of them; null is what its driver does not tell.
Json gpu_to_json(const GpuReport& gpu);

}  // namespace tessera
