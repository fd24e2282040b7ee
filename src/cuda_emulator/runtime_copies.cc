#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <vector>

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

void submit_copy(Machine& machine, std::unique_lock<QuietMutex>& lock, cudaStream_t stream,
                 const Copy& copy) {
  std::shared_ptr<std::vector<std::byte>> staged;
  if (copy.from_end.pageable) {
    const TsanSeen seen;
    const auto* const first = static_cast<const std::byte*>(copy.from);
    staged = std::make_shared<std::vector<std::byte>>(copy.bytes);
    std::memcpy(staged->data(), first, copy.bytes);
  }
  submit(machine, stream,
         {.body =
              [copy, staged] {
                std::memcpy(copy.to, staged ? staged->data() : copy.from, copy.bytes);
                return cudaSuccess;
              },
          .bytes = static_cast<double>(copy.bytes),
          .bytes_per_s = machine.copy_bytes_per_s(copy.from_end.device, copy.to_end.device)});
  if (copy.to_end.pageable) wait_for_stream(machine, lock, stream);
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
      return refuse(machine, cudaErrorInvalidValue, "copy from beyond the end of an allocation");
    if (!find_end(machine, to, bytes, copy.to_end))
      return refuse(machine, cudaErrorInvalidValue, "copy to beyond the end of an allocation");
    if (!kind_fits(kind, copy.from_end, copy.to_end))
      return refuse(machine, cudaErrorInvalidValue,
                    fmt::format("copy of kind {} from {} to {}", static_cast<int>(kind),
                                copy.from_end.device, copy.to_end.device));
    submit_copy(machine, lock, stream, copy);
    return machine.gpus[stream->device].broken;
  });
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_gpu, const void* from, int from_gpu, size_t bytes,
                                cudaStream_t stream) {
  return stream_call("cudaMemcpyPeerAsync", stream, [&](Machine& machine, auto& lock) {
    if (bytes == 0) return cudaSuccess;
    Copy copy = {.to = to, .from = from, .bytes = bytes};
    if (!find_end(machine, from, bytes, copy.from_end) || copy.from_end.device != from_gpu ||
        !find_end(machine, to, bytes, copy.to_end) || copy.to_end.device != to_gpu)
      return refuse(machine, cudaErrorInvalidValue,
                    "peer copy outside of the allocations of the GPUs that it names");
    submit_copy(machine, lock, stream, copy);
    return cudaSuccess;
  });
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  return stream_call("cudaMemsetAsync", stream, [&](Machine& machine, auto&) {
    if (bytes == 0) return cudaSuccess;
    const Allocation* const found = machine.find(data, bytes);
    if (found == nullptr || (found->device != kHostMemory && found->device != stream->device))
      return refuse(machine, cudaErrorInvalidValue, "memset outside of the GPU's allocations");
    submit(machine, stream,
           {.body =
                [=] {
                  std::memset(data, value, bytes);
                  return cudaSuccess;
                },
            .bytes = static_cast<double>(bytes),
            .bytes_per_s = machine.settings.memory_bytes_per_s});
    return cudaSuccess;
  });
}
