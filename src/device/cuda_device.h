#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "device/device.h"

namespace tessera {

/// Whether this build has CUDA, real or emulated. What is declared here and in */cuda.h is defined
/// only then: calls stand behind `if constexpr (kCudaBuilt)`.
inline constexpr bool kCudaBuilt = TESSERA_CUDA_BUILT;

/// Whether its GPUs are emulated: every kernel is slow, and no rate means anything.
#ifdef TESSERA_CUDA_EMULATED
inline constexpr bool kCudaEmulated = true;
#else
inline constexpr bool kCudaEmulated = false;
#endif

/// A GPU as the CUDA runtime numbers it.
struct CudaCard {
  int index = 0;
  std::string name = {};
  std::string uuid = {};  ///< as GpuInfo::uuid
  uint64_t memory_bytes = 0, free_bytes = 0;
  int processors = 0;
  int capability = 0;  ///< 86 for compute capability 8.6
};

/// Empty where there is no driver or no GPU. Throws Error for a driver that fails, or is too old.
std::vector<CudaCard> find_cuda_cards();

/// What the card has free once this process has a context on it, which this call makes: that takes
/// a few hundred MiB, and a third of a second. Throws Error when the driver does not let it.
uint64_t free_cuda_bytes(int card);

/// Bytes of a card that this process's devices on it hold together.
using CudaCardBytes = std::atomic<uint64_t>;

/// Every allocation on a CUDA device is rounded up to this.
inline constexpr uint64_t kCudaGranuleBytes = 512;

/// Scratch memory for the kernels of a stream, and of how many streams a device keeps it: those of
/// a stage, of the vision tower and of the token embedding. Booked when the device is opened.
constexpr uint64_t cuda_workspace_bytes(uint64_t budget_bytes) {
  return round_up(std::clamp<uint64_t>(budget_bytes / 256, 256 * kKiB, 32 * kMiB),
                  kCudaGranuleBytes);
}
inline constexpr int kCudaWorkspaces = 3;

/// A share of a card: budget, streams and pools of its own, so that one card can be several
/// devices, which then have one `card_bytes`: an Error about a full card tells them from other
/// programs. info.name "cuda:0". Throws Error when there is no such card, its driver does not take
/// it, the workspaces do not fit, or info.cublaslt asks for a library that is not there. When the
/// card is lost (an illegal address, an ECC error), every later call about the device throws the
/// Error of that, its streams are broken by it, and the process lives.
std::unique_ptr<Device> open_cuda_device(int card, DeviceInfo info,
                                         std::shared_ptr<CudaCardBytes> card_bytes = nullptr);

}  // namespace tessera
