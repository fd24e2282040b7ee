#pragma once

#include <span>
#include <vector>

#include "device/cuda_device.h"
#include "tessera/devices.h"

namespace tessera {

/// The GPUs of inspect_devices().
std::vector<GpuReport> inspect_gpus(const LogSink& log, bool measure);

/// GPUs as their driver tells of them, in CUDA's order and with its numbers: `cards`, found by
/// uuid, then those that are no card of this process. A card that the driver did not tell of is
/// described by what CUDA knows.
std::vector<GpuReport> numbered_as_cuda(const std::vector<GpuReport>& gpus,
                                        std::span<const CudaCard> cards);

}  // namespace tessera
