#include "base/worker_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

#include "base/spin_wait.h"

namespace tessera {
namespace {

void pin(std::thread& thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A cpu that this process may not use leaves the thread where it is: slower, not wrong.
  pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
}

// Indices are handed out by pieces, each a part of what is left of the share: few of them, so that
// handing out costs nothing beside a row's work, and small ones at the end, so that all threads end
// at about the same time.
constexpr int64_t kPart = 8;

}  // namespace

WorkerPool::WorkerPool(int threads, const std::vector<int>& cpus)
    : shares_(static_cast<size_t>(std::max(threads, 1))) {
  for (size_t i = 1; i < shares_.size(); ++i) {
    workers_.emplace_back([this, i] { worker_loop(i); });
    if (!cpus.empty()) pin(workers_.back(), cpus[i % cpus.size()]);
  }
}

WorkerPool::~WorkerPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void WorkerPool::run(int64_t count, Call call, const void* body) {
  const bool alone = workers_.empty() || count <= 1 || !busy_.try_lock();
  if (alone) {
    for (int64_t i = 0; i < count; ++i) call(body, i);
    return;
  }
  const std::lock_guard lock(busy_, std::adopt_lock);
  call_ = call;
  body_ = body;
  int64_t first = 0;
  for (int64_t t = 0; t < threads(); ++t) {
    Share& share = shares_[static_cast<size_t>(t)];
    share.next.store(first, std::memory_order_relaxed);
    share.end = first = count * (t + 1) / threads();
  }
  running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  work(0);
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire))
    wait_while_equal(running_, left);
}

void WorkerPool::work(size_t thread) {
  for (size_t i = 0; i < shares_.size(); ++i) {
    Share& share = shares_[(thread + i) % shares_.size()];
    while (true) {
      const int64_t left = share.end - share.next.load(std::memory_order_relaxed);
      if (left <= 0) break;
      const int64_t piece = std::max<int64_t>(1, left / kPart);
      const int64_t first = share.next.fetch_add(piece, std::memory_order_relaxed);
      const int64_t end = std::min(first + piece, share.end);
      for (int64_t k = first; k < end; ++k) call_(body_, k);
    }
  }
}

void WorkerPool::worker_loop(size_t thread) {
  uint32_t seen = 0;
  while (true) {
    wait_while_equal(epoch_, seen);
    ++seen;  // a new loop starts only after this worker has finished the last one
    if (stop_.load(std::memory_order_relaxed)) return;
    work(thread);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_all();
  }
}

}  // namespace tessera
