#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstring>
#include <memory>

#include "cuda_emulator/api_call.h"

// cudart: copies and memset. Memory that is not pinned is read, or written, before the call
// returns, as CUDA does; pinned memory when the copy runs.

namespace tessera {
namespace {

// What one end of a copy is.
struct CopyEnd {
  int device = kHostMemory;
  bool pageable = false;
};

// Where [data, data + bytes) lies; false: across the end of an allocation.
bool find_end(const Machine& machine, const void* data, size_t bytes, CopyEnd& end) {
  const Allocation* const start = machine.find(data, 1);
  if (start == nullptr) {
    end = {.pageable = true};
    return true;
  }
  end = {.device = start->device};
  return machine.find(data, bytes) != nullptr;
}

bool kind_fits(cudaMemcpyKind kind, const CopyEnd& from, const CopyEnd& to) {
  const bool from_gpu = from.device != kHostMemory, to_gpu = to.device != kHostMemory;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !from_gpu && !to_gpu;
    case cudaMemcpyHostToDevice:
      return !from_gpu && to_gpu;
    case cudaMemcpyDeviceToHost:
      return from_gpu && !to_gpu;
    case cudaMemcpyDeviceToDevice:
      return from_gpu && to_gpu;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  CopyEnd to_end, from_end;
};

cudaError_t submit_copy(Machine& machine, std::unique_lock<QuietMutex>& lock, cudaStream_t stream,
                        const Copy& copy) {
  if (stream->capture != nullptr && (copy.from_end.pageable || copy.to_end.pageable))
    return refuse_in_capture(*stream->capture);
  std::shared_ptr<std::byte[]> staged;
  if (copy.from_end.pageable) {
    const TsanSeen seen;
    staged = std::make_shared_for_overwrite<std::byte[]>(copy.bytes);
    std::memcpy(staged.get(), copy.from, copy.bytes);
  }
  submit(machine, stream,
         {.body =
              [copy, staged] {
                std::memcpy(copy.to, staged ? staged.get() : copy.from, copy.bytes);
                return cudaSuccess;
              },
          .us = machine.copy_us(copy.from_end.device, copy.to_end.device, copy.bytes)});
  if (copy.to_end.pageable) wait_for_stream(machine, lock, stream);
  return broken_gpu(machine, stream->device);
}

}  // namespace
}  // namespace tessera

using namespace tessera;

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return stream_call("cudaMemcpyAsync", stream, [&](Machine& machine, auto& lock) {
    if (bytes == 0) return cudaSuccess;
    Copy copy = {.to = to, .from = from, .bytes = bytes};
    if (!find_end(machine, from, bytes, copy.from_end))
      return refuse(cudaErrorInvalidValue, "copy from beyond the end of an allocation");
    if (!find_end(machine, to, bytes, copy.to_end))
      return refuse(cudaErrorInvalidValue, "copy to beyond the end of an allocation");
    if (!kind_fits(kind, copy.from_end, copy.to_end))
      return refuse(cudaErrorInvalidValue,
                    fmt::format("copy of kind {} from {} to {}", static_cast<int>(kind),
                                copy.from_end.device, copy.to_end.device));
    return submit_copy(machine, lock, stream, copy);
  });
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_gpu, const void* from, int from_gpu, size_t bytes,
                                cudaStream_t stream) {
  return stream_call("cudaMemcpyPeerAsync", stream, [&](Machine& machine, auto& lock) {
    if (bytes == 0) return cudaSuccess;
    Copy copy = {.to = to, .from = from, .bytes = bytes};
    if (!find_end(machine, from, bytes, copy.from_end) || copy.from_end.device != from_gpu ||
        !find_end(machine, to, bytes, copy.to_end) || copy.to_end.device != to_gpu)
      return refuse(cudaErrorInvalidValue,
                    "peer copy outside of the allocations of the GPUs that it names");
    return submit_copy(machine, lock, stream, copy);
  });
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  return stream_call("cudaMemsetAsync", stream, [&](Machine& machine, auto&) {
    if (bytes == 0) return cudaSuccess;
    const Allocation* const found = machine.find(data, bytes);
    if (found == nullptr || (found->device != kHostMemory && found->device != stream->device))
      return refuse(cudaErrorInvalidValue, "memset outside of the GPU's allocations");
    submit(machine, stream,
           {.body =
                [=] {
                  std::memset(data, value, bytes);
                  return cudaSuccess;
                },
            .us = machine.copy_us(stream->device, stream->device, bytes)});
    return cudaSuccess;
  });
}
