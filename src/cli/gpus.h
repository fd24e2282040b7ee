#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "tessera/devices.h"

namespace tessera {

/// The GPUs of `tessera devices`: a table of what they are, one of how they fare, of several one
/// of how they reach each other, and one of what has been measured.
std::string describe_gpus(std::span<const GpuReport> gpus);

/// One of them; null is what its driver does not tell.
Json gpu_to_json(const GpuReport& gpu);

}  // namespace tessera
