#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera {

/// A fixed number of threads that share loops. A thread that waits spins for a few microseconds
/// and then sleeps, so an idle pool costs nothing and two busy pools on the same cores get along.
class WorkerPool {
 public:
  /// `threads` (>= 1) counts the caller of for_each: threads - 1 are started. `cpus` pins them in
  /// turn, the calling thread excepted; empty leaves them to the scheduler.
  explicit WorkerPool(int threads, const std::vector<int>& cpus = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(i) once for every i in [0, count), on the caller's thread and the workers', in no
  /// given order; returns when all are done. What body writes is visible to the caller afterwards.
  /// `body` must not throw. Thread t begins with its share, from t * count / threads() on, and then
  /// helps the others: loops over the same rows find them in the cache of the thread that had them
  /// before. When another thread is inside for_each, the loop runs on the caller's thread alone:
  /// who does the work may never change its result.
  template <typename Body>
  void for_each(int64_t count, const Body& body) {
    run(
        count, [](const void* b, int64_t i) { (*static_cast<const Body*>(b))(i); }, &body);
  }

 private:
  using Call = void (*)(const void* body, int64_t index);
  void run(int64_t count, Call call, const void* body);
  void work(size_t thread);
  void worker_loop(size_t thread);

  /// Indices of a loop that are still to be handed out.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  std::vector<std::thread> workers_;
  std::mutex busy_;  // held by the thread inside run()

  // One loop at a time: the fields are written before epoch_ rises, read after it was seen.
  Call call_ = nullptr;
  const void* body_ = nullptr;
  std::vector<Share> shares_;  // of each thread
  std::atomic<int> running_{0};
  std::atomic<uint32_t> epoch_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace tessera
