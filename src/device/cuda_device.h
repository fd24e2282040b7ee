#pragma once

#include <memory>
#include <vector>

#include "device/device.h"

namespace tessera {

/// Whether this build has CUDA, real or emulated. What is declared here and in */cuda.h is defined
/// only then: calls stand behind `if constexpr (kCudaBuilt)`.
inline constexpr bool kCudaBuilt = TESSERA_CUDA_BUILT;

/// A GPU as the CUDA runtime numbers it.
struct CudaCard {
  int index = 0;
  std::string name = {};
  std::string uuid = {};  ///< as GpuInfo::uuid
  uint64_t memory_bytes = 0, free_bytes = 0;
  int processors = 0;
  int capability = 0;  ///< 86 for compute capability 8.6
};

/// Empty where there is no driver or no GPU. Throws Error for a driver that fails.
std::vector<CudaCard> find_cuda_cards();

/// A share of a card: budget, streams and pools of its own, so that one card can be several
/// devices. info.name "cuda:0", the budget at most what the card has free. Throws Error when there
/// is no such card, or its driver does not take it.
std::unique_ptr<Device> open_cuda_device(int card, DeviceInfo info);

}  // namespace tessera
