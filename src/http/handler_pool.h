#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera {

/// Threads that run handlers, in the order they came. They sleep when there is nothing to do.
class HandlerPool {
 public:
  HandlerPool(int threads, size_t max_waiting);
  ~HandlerPool();  ///< stop()
  HandlerPool(const HandlerPool&) = delete;
  HandlerPool& operator=(const HandlerPool&) = delete;

  /// False, and the task dropped, when `max_waiting` wait already, or after stop(). An urgent one
  /// goes before all others, however many they are. It must not throw.
  bool submit(std::function<void()> task, bool urgent = false);

  /// Drops what waits, and returns when the threads have ended what they run.
  void stop();

 private:
  void work();

  const size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::function<void()>> tasks_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tessera
