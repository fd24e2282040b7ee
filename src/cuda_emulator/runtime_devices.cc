#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cuda_emulator/api_call.h"
#include "cuda_emulator/gpu_limits.h"

// cudart: GPUs, what they are, who may use whose memory.

namespace tessera {
namespace {

bool is_gpu(const Machine& machine, int gpu) {
  return gpu >= 0 && gpu < static_cast<int>(machine.gpus.size());
}

// Of attributes that the backend asks for; -1: none that the emulator knows.
int attribute_value(const Machine& machine, cudaDeviceAttr attribute, int gpu) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      return kCapabilityMajor;
    case cudaDevAttrComputeCapabilityMinor:
      return kCapabilityMinor;
    case cudaDevAttrMultiProcessorCount:
      return machine.settings.processors;
    case cudaDevAttrMaxThreadsPerBlock:
      return kMaxBlockThreads;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return kDefaultSharedBytes;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return kMaxSharedBytes;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return kProcessorSharedBytes;
    case cudaDevAttrWarpSize:
      return kWarpThreads;
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrHostRegisterSupported:
      return 1;
    case cudaDevAttrIntegrated:
    case cudaDevAttrEccEnabled:
      return 0;
    case cudaDevAttrAsyncEngineCount:
      return 2;
    case cudaDevAttrPciBusId:
      return gpu + 1;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
      return 0;
    default:
      return -1;
  }
}

void describe_gpu(const Machine& machine, int gpu, cudaDeviceProp& properties) {
  properties = {};
  fmt::format_to_n(properties.name, sizeof(properties.name) - 1, "Emulated GPU");
  std::memset(properties.uuid.bytes, 0, sizeof(properties.uuid.bytes));
  properties.uuid.bytes[15] = static_cast<char>(gpu + 1);
  properties.totalGlobalMem = machine.settings.gpu_bytes;
  properties.sharedMemPerBlock = kDefaultSharedBytes;
  properties.sharedMemPerBlockOptin = kMaxSharedBytes;
  properties.sharedMemPerMultiprocessor = kProcessorSharedBytes;
  properties.regsPerBlock = properties.regsPerMultiprocessor = kRegisters;
  properties.warpSize = kWarpThreads;
  properties.maxThreadsPerBlock = kMaxBlockThreads;
  properties.maxThreadsPerMultiProcessor = 1536;
  properties.maxBlocksPerMultiProcessor = 16;
  std::copy_n(std::initializer_list<int>{kMaxBlock.x, kMaxBlock.y, kMaxBlock.z}.begin(), 3,
              properties.maxThreadsDim);
  std::copy_n(std::initializer_list<int>{kMaxGrid.x, kMaxGrid.y, kMaxGrid.z}.begin(), 3,
              properties.maxGridSize);
  properties.major = kCapabilityMajor;
  properties.minor = kCapabilityMinor;
  properties.multiProcessorCount = machine.settings.processors;
  properties.l2CacheSize = 3 << 20;
  properties.memoryBusWidth = 192;
  properties.canMapHostMemory = properties.unifiedAddressing = properties.concurrentKernels = 1;
  properties.streamPrioritiesSupported = properties.hostRegisterSupported = 1;
  properties.asyncEngineCount = 2;
  properties.pciBusID = gpu + 1;
}

}  // namespace
}  // namespace tessera

using namespace tessera;

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  *count = static_cast<int>(machine().gpus.size());
  return note_error(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

cudaError_t cudaSetDevice(int gpu) {
  const TsanUnseen unseen;
  if (host_thread().in_host_function) return note_error(cudaErrorNotPermitted);
  const std::lock_guard lock(machine().mutex);
  if (!is_gpu(machine(), gpu)) return note_error(cudaErrorInvalidDevice);
  if (const cudaError_t due = error_due(machine(), "cudaSetDevice", gpu)) return note_error(due);
  host_thread().device = gpu;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* gpu) {
  *gpu = host_thread().device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int gpu) {
  return api_call("cudaGetDeviceProperties", [&](Machine& machine, auto&) {
    if (!is_gpu(machine, gpu)) return cudaErrorInvalidDevice;
    describe_gpu(machine, gpu, *properties);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int gpu) {
  return api_call("cudaDeviceGetAttribute", [&](Machine& machine, auto&) {
    if (!is_gpu(machine, gpu)) return cudaErrorInvalidDevice;
    *value = attribute_value(machine, attribute, gpu);
    return *value < 0 ? refuse(cudaErrorNotSupported,
                               fmt::format("the emulator does not know device attribute {}",
                                           static_cast<int>(attribute)))
                      : cudaSuccess;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int gpu) {
  return api_call("cudaDeviceGetPCIBusId", [&](Machine& machine, auto&) {
    constexpr int kLength = 13;
    if (!is_gpu(machine, gpu)) return cudaErrorInvalidDevice;
    if (length < kLength) return cudaErrorInvalidValue;
    *fmt::format_to(text, "0000:{:02x}:00.0", gpu + 1) = '\0';
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return api_call("cudaDeviceSynchronize", [](Machine& machine, auto& lock) {
    const int gpu = host_thread().device;
    wait_for_gpu(machine, lock, gpu);
    return broken_gpu(machine, gpu);
  });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = kLeastPriority;
  *greatest = kGreatestPriority;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int gpu, int peer) {
  return api_call("cudaDeviceCanAccessPeer", [&](Machine& machine, auto&) {
    if (!is_gpu(machine, gpu) || !is_gpu(machine, peer)) return cudaErrorInvalidDevice;
    *can = gpu != peer && !machine.unreachable.contains({gpu, peer}) ? 1 : 0;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  return api_call("cudaDeviceEnablePeerAccess", [&](Machine& machine, auto&) {
    const int gpu = host_thread().device;
    if (flags != 0) return cudaErrorInvalidValue;
    if (!is_gpu(machine, peer) || peer == gpu) return cudaErrorInvalidDevice;
    if (machine.unreachable.contains({gpu, peer})) return cudaErrorPeerAccessUnsupported;
    return machine.gpus[gpu].peers.insert(peer).second ? cudaSuccess
                                                       : cudaErrorPeerAccessAlreadyEnabled;
  });
}

cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  return api_call("cudaDeviceDisablePeerAccess", [&](Machine& machine, auto&) {
    return machine.gpus[host_thread().device].peers.erase(peer) == 1
               ? cudaSuccess
               : cudaErrorPeerAccessNotEnabled;
  });
}
