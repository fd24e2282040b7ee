#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "device/cuda_queue.h"
#include "device/stream.h"

namespace tessera {

/// A CUDA device's stream. Nothing runs on the host but the submissions themselves: ops, copies,
/// records and waits go straight into the driver's queue, from the submitter's thread.
class CudaStream : public Stream {
 public:
  /// `body(const CudaQueue&)` launches kernels and throws what a launch says; not called where what
  /// is submitted now is skipped, or the stream is broken.
  template <typename Body>
  void launch(const Body& body) {
    const CudaQueue* queue = begin_launch();
    if (queue == nullptr) return;
    try {
      body(*queue);
    } catch (...) {
      fail(std::current_exception());
    }
  }

 private:
  virtual const CudaQueue* begin_launch() = 0;  // makes the device current; null: skip
  virtual void fail(std::exception_ptr error) noexcept = 0;
};

}  // namespace tessera
