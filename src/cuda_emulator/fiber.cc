#include "cuda_emulator/fiber.h"

#include <pthread.h>

#include <boost/context/protected_fixedsize_stack.hpp>
#include <memory>
#include <utility>

#include "cuda_emulator/sanitizers.h"

namespace tessera {
namespace {

constexpr size_t kStackBytes = 256 << 10;

// The fiber that the last switch left: whoever goes on after it files the context there. Only the
// executor's thread switches.
Fiber* departed = nullptr;

}  // namespace

Fiber::Fiber() : tsan_fiber_(tsan_current_fiber()) {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void* bottom = nullptr;
  pthread_attr_getstack(&attributes, &bottom, &stack_bytes_);
  pthread_attr_destroy(&attributes);
  stack_bottom_ = bottom;
}

Fiber::Fiber(std::function<void()> body) {
  boost::context::protected_fixedsize_stack stacks(kStackBytes);
  const boost::context::stack_context stack = stacks.allocate();
  stack_bytes_ = stack.size;
  stack_bottom_ = static_cast<std::byte*>(stack.sp) - stack.size;
  context_ = boost::context::fiber(
      std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack), stacks,
      [body = std::move(body)](boost::context::fiber&& caller) -> boost::context::fiber {
        departed->context_ = std::move(caller);
        asan_finish_switch(nullptr);
        body();
        std::terminate();
      });
}

void Fiber::take_tsan_fiber() {
  tsan_fiber_ = tsan_current_fiber();
}

void Fiber::use_own_tsan_fiber() {
  if (own_tsan_fiber_ == nullptr) own_tsan_fiber_ = tsan_make_fiber();
  tsan_fiber_ = own_tsan_fiber_;
}

void Fiber::switch_to(Fiber& next) {
  departed = this;
  asan_start_switch(&fake_stack_, next.stack_bottom_, next.stack_bytes_);
  if (next.tsan_fiber_ != tsan_fiber_) tsan_switch(next.tsan_fiber_);
  boost::context::fiber caller = std::move(next.context_).resume();
  asan_finish_switch(fake_stack_);
  departed->context_ = std::move(caller);
}

}  // namespace tessera
