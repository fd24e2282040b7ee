#include <fmt/format.h>

#include "cuda_emulator/api_call.h"
#include "cuda_emulator/gpu_limits.h"
#include "cuda_emulator/grid.h"
#include "cuda_emulator/kernel_failure.h"
#include "cuda_emulator/launch.h"

// Kernels into streams, with the checks that a real launch makes, and some more.

namespace tessera {
namespace {

bool within(dim3 wanted, dim3 most) {
  return wanted.x > 0 && wanted.y > 0 && wanted.z > 0 && wanted.x <= most.x && wanted.y <= most.y &&
         wanted.z <= most.z;
}

cudaError_t check_shape(const Machine& machine, const KernelLaunch& launch) {
  const uint64_t threads = uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  if (!within(launch.block, kMaxBlock) || threads > kMaxBlockThreads ||
      !within(launch.grid, kMaxGrid))
    return refuse(
        cudaErrorInvalidConfiguration,
        fmt::format("launch of ({},{},{}) blocks of ({},{},{}) threads", launch.grid.x,
                    launch.grid.y, launch.grid.z, launch.block.x, launch.block.y, launch.block.z));
  const auto limit = machine.dynamic_shared_limits.find(launch.kernel);
  const size_t allowed =
      limit == machine.dynamic_shared_limits.end() ? kDefaultSharedBytes : limit->second;
  if (launch.shared_bytes > allowed)
    return refuse(cudaErrorInvalidValue,
                  fmt::format("launch with {} bytes of dynamic shared memory; {} are allowed: see "
                              "allow_dynamic_shared",
                              launch.shared_bytes, allowed));
  return cudaSuccess;
}

cudaError_t check_pointers(const Machine& machine, const KernelLaunch& launch) {
  for (size_t i = 0; i < launch.pointers.size(); ++i) {
    const void* const pointer = launch.pointers[i];
    if (pointer == nullptr) continue;
    const Allocation* const found = machine.find(pointer, 0);
    if (found == nullptr)
      return refuse(
          cudaErrorIllegalAddress,
          fmt::format("pointer argument {} of a kernel is no device or pinned memory", i));
    const int gpu = launch.stream->device;
    if (found->device != kHostMemory && found->device != gpu &&
        !machine.gpus[gpu].peers.contains(found->device))
      return refuse(cudaErrorIllegalAddress,
                    fmt::format("pointer argument {} of a kernel on GPU {} is GPU {}'s memory", i,
                                gpu, found->device));
  }
  return cudaSuccess;
}

cudaError_t run_kernel(const KernelLaunch& launch, uint64_t seed) {
  ThreadOrder order;
  bool kernels_seen;
  {
    const std::lock_guard lock(machine().mutex);
    if (const cudaError_t due = error_due(machine(), "kernel", launch.stream->device)) return due;
    order = machine().settings.order;
    kernels_seen = machine().settings.kernels_seen;
  }
  try {
    run_grid({launch.grid, launch.block, launch.shared_bytes}, order, seed, kernels_seen,
             launch.body);
    return cudaSuccess;
  } catch (const KernelFailure& failure) {
    const std::lock_guard lock(machine().mutex);
    machine().gpus[launch.stream->device].report = failure.what();
    return cudaErrorLaunchFailure;
  }
}

}  // namespace

cudaError_t enqueue_kernel(KernelLaunch launch) {
  const cudaStream_t stream = launch.stream;
  return stream_call("cudaLaunchKernel", stream, [&](Machine& machine, auto&) {
    if (stream->device != host_thread().device)
      return refuse(cudaErrorInvalidResourceHandle,
                    fmt::format("launch on a stream of GPU {} while GPU {} is current",
                                stream->device, host_thread().device));
    if (const cudaError_t error = check_shape(machine, launch)) return error;
    if (const cudaError_t error = check_pointers(machine, launch)) return error;
    const uint64_t seed = machine.random.below(~uint64_t{0});
    submit(machine, stream,
           {.body = [launch = std::move(launch), seed] { return run_kernel(launch, seed); },
            .us = machine.settings.op_us});
    return cudaSuccess;
  });
}

}  // namespace tessera
