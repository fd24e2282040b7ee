#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <new>
#include <utility>

#include "base/units.h"
#include "cuda_emulator/api_call.h"
#include "cuda_emulator/gpu_limits.h"
#include "tessera/error.h"

// cudart: memory of GPUs and pinned memory of the host.

namespace tessera {
namespace {

uint64_t charged_bytes(uint64_t bytes) {
  return round_up(bytes, kAllocationGranule);
}

uint64_t free_bytes(const Machine& machine, int gpu) {
  const uint64_t taken = machine.gpus[gpu].used_bytes + machine.gpus[gpu].foreign_bytes;
  return machine.settings.gpu_bytes - std::min(taken, machine.settings.gpu_bytes);
}

cudaError_t allocate(Machine& machine, void** out, size_t bytes, int device) {
  *out = nullptr;
  for (const auto& stream : machine.streams)
    if (stream->capture != nullptr) return refuse_in_capture(*stream->capture);
  if (bytes == 0) return cudaSuccess;
  Allocation allocation = {.bytes = bytes, .device = device};
  try {
    allocation.pages = map_nan_pages(bytes);
  } catch (const Error&) {
    return cudaErrorMemoryAllocation;
  }
  *out = allocation.pages.get();
  if (device != kHostMemory && machine.settings.trap_host && !machine.memory_open)
    allow_access(allocation.pages, false);
  machine.allocations.emplace(reinterpret_cast<uintptr_t>(*out), std::move(allocation));
  return cudaSuccess;
}

}  // namespace
}  // namespace tessera

using namespace tessera;

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return api_call("cudaMemGetInfo", [&](Machine& machine, auto&) {
    *free = free_bytes(machine, host_thread().device);
    *total = machine.settings.gpu_bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaMalloc(void** out, size_t bytes) {
  return api_call("cudaMalloc", [&](Machine& machine, auto&) {
    const int gpu = host_thread().device;
    if (bytes > machine.settings.gpu_bytes || charged_bytes(bytes) > free_bytes(machine, gpu))
      return cudaErrorMemoryAllocation;
    const cudaError_t error = allocate(machine, out, bytes, gpu);
    if (error == cudaSuccess) machine.gpus[gpu].used_bytes += charged_bytes(bytes);
    return error;
  });
}

// As on a GPU, it waits for whatever runs there.
cudaError_t cudaFree(void* data) {
  return api_call("cudaFree", [&](Machine& machine, auto& lock) {
    if (data == nullptr) return cudaSuccess;
    const auto found = machine.allocations.find(reinterpret_cast<uintptr_t>(data));
    if (found == machine.allocations.end() || found->second.device == kHostMemory)
      return refuse(cudaErrorInvalidValue, "cudaFree of what cudaMalloc did not give");
    const int gpu = found->second.device;
    wait_for_gpu(machine, lock, gpu);
    machine.gpus[gpu].used_bytes -= charged_bytes(found->second.bytes);
    machine.allocations.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned) {
  return api_call("cudaHostAlloc", [&](Machine& machine, auto&) {
    return allocate(machine, out, bytes, kHostMemory);
  });
}

cudaError_t cudaMallocHost(void** out, size_t bytes) {
  return cudaHostAlloc(out, bytes, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void* data) {
  return api_call("cudaFreeHost", [&](Machine& machine, auto& lock) {
    if (data == nullptr) return cudaSuccess;
    const auto found = machine.allocations.find(reinterpret_cast<uintptr_t>(data));
    if (found == machine.allocations.end() || found->second.device != kHostMemory ||
        found->second.pages == nullptr)
      return refuse(cudaErrorInvalidValue, "cudaFreeHost of what cudaHostAlloc did not give");
    for (int gpu = 0; gpu < static_cast<int>(machine.gpus.size()); ++gpu)
      wait_for_gpu(machine, lock, gpu);
    machine.allocations.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaHostRegister(void* data, size_t bytes, unsigned) {
  return api_call("cudaHostRegister", [&](Machine& machine, auto&) {
    if (data == nullptr || bytes == 0) return cudaErrorInvalidValue;
    if (machine.find(data, 1) != nullptr) return cudaErrorHostMemoryAlreadyRegistered;
    machine.allocations[reinterpret_cast<uintptr_t>(data)] = {.bytes = bytes};
    return cudaSuccess;
  });
}

cudaError_t cudaHostUnregister(void* data) {
  return api_call("cudaHostUnregister", [&](Machine& machine, auto&) {
    const auto found = machine.allocations.find(reinterpret_cast<uintptr_t>(data));
    if (found == machine.allocations.end() || found->second.pages != nullptr)
      return cudaErrorHostMemoryNotRegistered;
    machine.allocations.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  return api_call("cudaHostGetDevicePointer", [&](Machine& machine, auto&) {
    const Allocation* const found = machine.find(host, 0);
    if (found == nullptr || found->device != kHostMemory) return cudaErrorInvalidValue;
    *device = host;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  return api_call("cudaPointerGetAttributes", [&](Machine& machine, auto&) {
    const Allocation* const found = machine.find(data, 0);
    *attributes = {};
    attributes->device = -1;
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->hostPointer = const_cast<void*>(data);
    if (found == nullptr) return cudaSuccess;
    attributes->devicePointer = const_cast<void*>(data);
    attributes->type = cudaMemoryTypeHost;
    attributes->device = host_thread().device;
    if (found->device == kHostMemory) return cudaSuccess;
    attributes->type = cudaMemoryTypeDevice;
    attributes->device = found->device;
    attributes->hostPointer = nullptr;
    return cudaSuccess;
  });
}
