#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "device/cuda_device.h"
#include "plan/device_spec.h"

namespace tessera {

/// What one entry of a device list gets of the GPUs.
struct CardShare {
  size_t card;       ///< index into the cards
  std::string name;  ///< "cuda:0"; of a card with several devices, "cuda:0.0"
  uint64_t budget_bytes;
  bool graphs, cublaslt;  ///< as in DeviceSpec
};

/// Hands out the cards to the CUDA entries among `specs`, in their order. "cuda" is the next card,
/// "cuda:1" that one; entries without a size share what the sizes of the same card's others leave.
/// CudaCard::free_bytes counts with this process's context on the card. Throws Error for a card
/// that is not there, or does not have what is asked.
std::vector<CardShare> share_cards(const std::vector<DeviceSpec>& specs,
                                   const std::vector<CudaCard>& cards);

/// Left free on a card beside what its devices may book: kernels' code, which the driver loads when
/// they first run, and the driver's rounding.
constexpr uint64_t card_reserve_bytes(const CudaCard& card) {
  return std::min<uint64_t>(card.memory_bytes / 64, 512 * kMiB);
}

}  // namespace tessera
