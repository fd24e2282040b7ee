#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

#include "cuda/check.h"

namespace tessera {

/// A stream of the current device, for the length of a test.
class TestStream {
 public:
  TestStream() {
    cuda_check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "test", "make a stream");
  }
  ~TestStream() {
    (void)cudaStreamSynchronize(stream_);
    (void)cudaStreamDestroy(stream_);
  }
  TestStream(const TestStream&) = delete;
  TestStream& operator=(const TestStream&) = delete;

  operator cudaStream_t() const { return stream_; }  // NOLINT: stands where CUDA wants a stream
  void synchronize() const { cuda_check(cudaStreamSynchronize(stream_), "test", "wait"); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// `count` numbers in the current device's memory.
template <typename T>
class DeviceVector {
 public:
  explicit DeviceVector(size_t count) : count_(count) {
    void* data = nullptr;
    cuda_check(cudaMalloc(&data, count * sizeof(T)), "test", "allocate");
    data_ = static_cast<T*>(data);
  }
  DeviceVector(const std::vector<T>& from, cudaStream_t stream) : DeviceVector(from.size()) {
    cuda_check(cudaMemcpyAsync(data_, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice,
                               stream),
               "test", "copy");
  }
  ~DeviceVector() { (void)cudaFree(data_); }
  DeviceVector(const DeviceVector&) = delete;
  DeviceVector& operator=(const DeviceVector&) = delete;

  T* data() const { return data_; }
  size_t bytes() const { return count_ * sizeof(T); }

  std::vector<T> read(cudaStream_t stream) const {
    std::vector<T> to(count_);
    cuda_check(cudaMemcpyAsync(to.data(), data_, bytes(), cudaMemcpyDeviceToHost, stream), "test",
               "copy");
    cuda_check(cudaStreamSynchronize(stream), "test", "wait");
    return to;
  }

 private:
  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace tessera
