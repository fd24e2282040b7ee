#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cuda/cublas_lt.h"
#include "device/cuda_calls.h"
#include "device/cuda_queue.h"

namespace tessera {

/// The numbers of y = x w^T (+ bias) (+ y): x [rows, in] and w [out, in] of bf16, bias [out] and y
/// [rows, out] of f32. Strides count elements from a row to the next.
struct GemmShape {
  int64_t rows, in, out;
  int64_t x_stride, w_stride, y_stride;
  bool bias;

  auto operator<=>(const GemmShape&) const = default;
};

/// What one is computed of: memory of the device.
struct GemmOperands {
  const void *x, *w;
  const float* bias;  ///< where the shape has none, of no account
  float* y;
  bool add_to_y;
};

/// A CUDA device's bf16 matmuls by cuBLASLt, and what it takes to ask for one: the library's
/// handle, and for each shape that came lately the algorithm that the library likes best. Which one
/// that is, and so in which order a row is added, follows from the shape: rows beside a row may
/// change its last bits. The same shape has the same bits on the same card with the same library,
/// whose guarantee holds while each stream brings a workspace of its own ("Results
/// reproducibility", cuBLAS 13 documentation).
///
/// Takes no device memory beside what the library takes for itself when this is made. Thread-safe;
/// one call at a time.
class CudaGemms {
 public:
  static constexpr size_t kMostPlans = 1024;  ///< kept; the one that was used longest ago goes

  /// The device's card is the current one. `calls` outlives this. Throws Error when there is no
  /// such library, or it does not take the card.
  ///   workspace_bytes   that the queues of the device have at least
  CudaGemms(const CudaCalls& calls, uint64_t workspace_bytes);
  ~CudaGemms();
  CudaGemms(const CudaGemms&) = delete;
  CudaGemms& operator=(const CudaGemms&) = delete;

  /// Queues it; its kernels may use the queue's workspace. False, and nothing was queued, where the
  /// library has no algorithm, or memory is not laid out as its fast ones need it: pointers at
  /// multiples of 16 bytes, as well as strides. Throws Error, naming the shape, when a call fails.
  bool multiply(const CudaQueue& queue, const GemmShape& shape, const GemmOperands& operands);

  size_t plans() const;  ///< that are kept now

 private:
  template <typename T>
  struct Destroy {
    int32_t (*destroy)(T* handle);
    void operator()(T* handle) const noexcept { (void)destroy(handle); }
  };
  template <typename T>
  using Handle = std::unique_ptr<T, Destroy<T>>;

  struct Plan {
    Handle<CublasLtOperation> operation;
    Handle<CublasLtLayout> w, x, y;
    std::optional<CublasLtAlgorithm> algorithm = {};  // none: the library has none
    uint64_t used = 0;                                // the last use's number
  };

  Plan& plan_of(const GemmShape& shape);
  Plan make_plan(const GemmShape& shape) const;
  void make_room();
  Handle<CublasLtLayout> layout(const GemmShape& of, int32_t type, int64_t rows, int64_t cols,
                                int64_t stride) const;
  void check(int32_t status, const GemmShape& shape) const;
  void fail(int32_t status, const std::string& what) const;  // throws

  const CudaCalls& calls_;
  const CublasLt& library_;
  const uint64_t workspace_bytes_;
  Handle<CublasLtContext> context_;
  Handle<CublasLtPreference> preference_;

  mutable std::mutex mutex_;  // of what follows
  std::map<GemmShape, Plan> plans_;
  uint64_t use_ = 0;
};

}  // namespace tessera
