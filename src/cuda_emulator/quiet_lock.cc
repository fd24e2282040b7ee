#include "cuda_emulator/quiet_lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

namespace tessera {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

// Returns when *word is not `value` (any more), when woken, or without cause.
void futex_wait(std::atomic<uint32_t>& word, uint32_t value, const timespec* timeout = nullptr) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, timeout, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word, int waiters) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, waiters, nullptr, nullptr, 0);
}

}  // namespace

// Source: Drepper 2005, "Futexes Are Tricky", mutex 2.
void QuietMutex::lock() {
  uint32_t seen = 0;
  if (state_.compare_exchange_strong(seen, 1, std::memory_order_acquire)) return;
  while (state_.exchange(2, std::memory_order_acquire) != 0) futex_wait(state_, 2);
}

void QuietMutex::unlock() {
  if (state_.exchange(0, std::memory_order_release) == 2) futex_wake(state_, 1);
}

void QuietCondition::wait(std::unique_lock<QuietMutex>& lock) {
  const uint32_t seen = changes_.load(std::memory_order_relaxed);
  lock.unlock();
  futex_wait(changes_, seen);
  lock.lock();
}

void QuietCondition::wait_for(std::unique_lock<QuietMutex>& lock, uint64_t nanoseconds) {
  const timespec timeout = {.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000),
                            .tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000)};
  const uint32_t seen = changes_.load(std::memory_order_relaxed);
  lock.unlock();
  futex_wait(changes_, seen, &timeout);
  lock.lock();
}

void QuietCondition::notify_all() {
  changes_.fetch_add(1, std::memory_order_relaxed);
  futex_wake(changes_, INT_MAX);
}

}  // namespace tessera
