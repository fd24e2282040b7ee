#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "device/cuda_calls.h"
#include "device/cuda_device.h"
#include "device/gpu.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr const char* kDriver = "CUDA driver";

std::string version_text(int version) {
  return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
}

// 0 where there is no driver or no card.
int count_cards() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess) return count;
  (void)cudaGetLastError();
  if (code == cudaErrorNoDevice) return 0;
  int driver = 0;
  (void)cudaDriverGetVersion(&driver);  // 0: there is none
  if (driver == 0) return 0;
  if (code == cudaErrorInsufficientDriver)
    throw Error({.where = kDriver,
                 .expected = fmt::format("one for {} or later", version_text(CUDART_VERSION)),
                 .found = fmt::format("one for {}", version_text(driver)),
                 .hint = "update the NVIDIA driver; until then, use cpu devices"});
  throw Error({.where = kDriver,
               .found = cudaGetErrorString(code),
               .hint = "nvidia-smi should say more; until it works, use cpu devices"});
}

// As NVML writes it: "GPU-01234567-89ab-cdef-0123-456789abcdef".
std::string uuid_text(const cudaUUID_t& uuid) {
  std::string text = "GPU-";
  for (size_t i = 0; i < sizeof(uuid.bytes); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return text;
}

}  // namespace

std::vector<CudaCard> find_cuda_cards() {
  const int count = count_cards();
  if (count == 0) return {};
  const std::vector<GpuInfo> gpus = find_gpus_or_warn({});
  std::vector<CudaCard> cards;
  for (int index = 0; index < count; ++index) {
    const CudaCalls calls(index, fmt::format("cuda:{}", index));
    cudaDeviceProp properties = {};
    calls.check(cudaGetDeviceProperties(&properties, index), "its description");
    CudaCard card{.index = index,
                  .name = properties.name,
                  .uuid = uuid_text(properties.uuid),
                  .memory_bytes = properties.totalGlobalMem,
                  .processors = properties.multiProcessorCount,
                  .capability = 10 * properties.major + properties.minor};
    // NVML knows what is free without a context on the card.
    const auto gpu = std::ranges::find(gpus, card.uuid, &GpuInfo::uuid);
    if (gpu != gpus.end()) card.name = gpu->name;
    card.free_bytes = gpu != gpus.end() ? gpu->free_bytes : free_cuda_bytes(index);
    cards.push_back(std::move(card));
  }
  return cards;
}

uint64_t free_cuda_bytes(int card) {
  const CudaCalls calls(card, fmt::format("cuda:{}", card));
  calls.enter();
  size_t free = 0, total = 0;
  calls.check(cudaMemGetInfo(&free, &total), "its free memory");
  return free;
}

}  // namespace tessera
