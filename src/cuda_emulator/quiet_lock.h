#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace tessera {

/// A mutex that ThreadSanitizer does not see: this module is compiled without it, and the lock
/// makes its system calls itself. The runtime's own lock must not order the threads of the program
/// under test, or it would stand in for one that they have forgotten.
class QuietMutex {
 public:
  void lock();
  void unlock();

 private:
  std::atomic<uint32_t> state_ = 0;  // 1: locked; 2: and somebody waits
};

class QuietCondition {
 public:
  void wait(std::unique_lock<QuietMutex>& lock);
  template <typename Condition>
  void wait(std::unique_lock<QuietMutex>& lock, const Condition& condition) {
    while (!condition()) wait(lock);
  }
  /// At most so long.
  void wait_for(std::unique_lock<QuietMutex>& lock, uint64_t nanoseconds);
  void notify_all();  ///< with the lock held

 private:
  std::atomic<uint32_t> changes_ = 0;
};

}  // namespace tessera
