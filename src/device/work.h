#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "base/worker_pool.h"

namespace tessera {

/// What an op computes and moves: a simulated device's clock advances by it.
struct Cost {
  double flops = 0;
  double bytes = 0;  ///< read and written
};

/// A closure run on a device's threads, stored in place: queueing an op allocates nothing.
class Work {
 public:
  static constexpr size_t kBytes = 640;  // the widest op, attention, captures seven tensors

  Work() = default;
  template <typename Body>
  explicit Work(const Body& body)
      : call_([](const void* b, WorkerPool& pool) { (*static_cast<const Body*>(b))(pool); }) {
    static_assert(sizeof(Body) <= kBytes, "capture less, or raise kBytes");
    static_assert(std::is_trivially_copyable_v<Body> && std::is_trivially_destructible_v<Body>,
                  "capture views and numbers, no owners: the queue copies bytes");
    static_assert(alignof(Body) <= alignof(std::max_align_t));
    new (storage_) Body(body);
  }

  /// The body may throw: its stream is broken from then on.
  void operator()(WorkerPool& pool) const { call_(storage_, pool); }

 private:
  void (*call_)(const void*, WorkerPool&) = nullptr;
  alignas(std::max_align_t) std::byte storage_[kBytes];
};

}  // namespace tessera
