#pragma once

#include <atomic>

namespace tessera {

/// One breath of a spinning thread: lets the core's other hyperthread run.
inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Returns once `value` differs from `old`: spins for about 2 us (longer than the gap between two
/// ops of one step, far shorter than a time slice) and then sleeps, so that idle threads cost
/// nothing. Whoever changes `value` calls notify_one or notify_all on it afterwards, and changes it
/// by a read-modify-write or a sequentially consistent store: a sleeper is seen only past a fence.
template <typename T>
void wait_while_equal(const std::atomic<T>& value, T old) {
  constexpr int kSpins = 200;
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    spin_pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace tessera
