#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "device/cuda_calls.h"

namespace tessera {

// What the driver gives, given back at the end; where the card was lost, it went with it. Each is
// made on the current card, which is that of `calls`.

class CudaEventHandle {
 public:
  /// Without `timed` it is cheaper, and only to be waited for.
  CudaEventHandle(const CudaCalls& calls, bool timed);
  ~CudaEventHandle();
  CudaEventHandle(const CudaEventHandle&) = delete;
  CudaEventHandle& operator=(const CudaEventHandle&) = delete;

  cudaEvent_t get() const { return event_; }

 private:
  const CudaCalls& calls_;
  cudaEvent_t event_ = nullptr;
};

class CudaStreamHandle {
 public:
  /// One that waits for no other; a background one gives way to the others.
  explicit CudaStreamHandle(const CudaCalls& calls, bool background = false);
  ~CudaStreamHandle();
  CudaStreamHandle(const CudaStreamHandle&) = delete;
  CudaStreamHandle& operator=(const CudaStreamHandle&) = delete;

  cudaStream_t get() const { return stream_; }

 private:
  const CudaCalls& calls_;
  cudaStream_t stream_ = nullptr;
};

/// Host memory that every card reaches directly, and that kernels see.
class PinnedMemory {
 public:
  PinnedMemory(const CudaCalls& calls, uint64_t bytes);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  std::byte* data() const { return data_; }
  void* device_address() const;  ///< for kernels

 private:
  const CudaCalls& calls_;
  std::byte* data_ = nullptr;
};

/// For those who keep the pointer themselves.
void* allocate_pinned(const CudaCalls& calls, uint64_t bytes);
void free_pinned(const CudaCalls& calls, void* data) noexcept;

}  // namespace tessera
