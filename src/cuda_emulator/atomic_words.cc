#include "cuda_emulator/atomic_words.h"

#include "cuda_emulator/thread_block.h"

namespace tessera {

// g++ does not tell ThreadSanitizer of fences. An atomic after a fence releases, one before a fence
// acquires: by the address of the atomic, as in C++ ([atomics.fences]). A little too much order:
// what the thread does between its fence and the atomic is released as well.

void before_atomic(void* address) {
  if (thread_block().running().fenced) tsan_release(address);
}

void after_atomic(void* address) {
  thread_block().running().last_atomic = address;
}

void fence_thread() {
  DeviceThread& thread = thread_block().running();
  thread.fenced = true;
  if (thread.last_atomic != nullptr) tsan_acquire(thread.last_atomic);
}

}  // namespace tessera
