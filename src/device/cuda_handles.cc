#include "device/cuda_handles.h"

#include <fmt/format.h>

#include "base/units.h"

namespace tessera {

CudaEventHandle::CudaEventHandle(const CudaCalls& calls, bool timed) : calls_(calls) {
  calls.check(cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming),
              "an event");
}

CudaEventHandle::~CudaEventHandle() {
  // Even where the card was lost: what the host keeps of an event is freed all the same.
  calls_.note(cudaEventDestroy(event_), "freeing an event");
}

CudaStreamHandle::CudaStreamHandle(const CudaCalls& calls, bool background) : calls_(calls) {
  int lowest = 0, highest = 0;  // the lower the number, the sooner
  calls.check(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "the priorities of streams");
  calls.check(
      cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, background ? lowest : highest),
      "a stream");
}

CudaStreamHandle::~CudaStreamHandle() {
  if (!calls_.lost()) calls_.note(cudaStreamDestroy(stream_), "closing a stream");
}

PinnedMemory::PinnedMemory(const CudaCalls& calls, uint64_t bytes)
    : calls_(calls), data_(static_cast<std::byte*>(allocate_pinned(calls, bytes))) {}

PinnedMemory::~PinnedMemory() {
  free_pinned(calls_, data_);
}

void* PinnedMemory::device_address() const {
  void* address = nullptr;
  calls_.check(cudaHostGetDevicePointer(&address, data_, 0), "the address of pinned memory");
  return address;
}

void* allocate_pinned(const CudaCalls& calls, uint64_t bytes) {
  void* data = nullptr;
  calls.check(cudaHostAlloc(&data, bytes, cudaHostAllocPortable | cudaHostAllocMapped),
              fmt::format("{} of pinned host memory", format_bytes(bytes)));
  return data;
}

void free_pinned(const CudaCalls& calls, void* data) noexcept {
  if (!calls.lost()) calls.note(cudaFreeHost(data), "freeing pinned memory");
}

}  // namespace tessera
