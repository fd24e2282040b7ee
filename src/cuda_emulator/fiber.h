#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <functional>

namespace tessera {

/// A stack of its own that the executor's thread switches to and from: 256 KiB with a guard page.
/// The sanitizers are told of every switch; ThreadSanitizer takes each fiber for a thread.
class Fiber {
 public:
  /// The stack that the calling thread runs on now, to come back to.
  Fiber();

  /// `body` runs from the first switch on and must not return.
  explicit Fiber(std::function<void()> body);

  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Called on this fiber: `next` goes on from where it last left. Returns when somebody switches
  /// back.
  void switch_to(Fiber& next);

  /// What runs on this stack from now on is, to ThreadSanitizer, what runs now.
  void take_tsan_fiber();
  /// ... is a thread of its own.
  void use_own_tsan_fiber();
  void* tsan_fiber() const { return tsan_fiber_; }

 private:
  boost::context::fiber context_;  // where it goes on; empty while it runs
  const void* stack_bottom_ = nullptr;
  size_t stack_bytes_ = 0;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  void* tsan_fiber_ = nullptr;
  void* own_tsan_fiber_ = nullptr;  // once it was asked for
};

}  // namespace tessera
