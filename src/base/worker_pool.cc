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

// Indices are handed out by pieces: enough for each thread that all end at about the same time, few
// enough that handing out costs nothing beside a row's work.
constexpr int64_t kPiecesEach = 16;

}  // namespace

WorkerPool::WorkerPool(int threads, const std::vector<int>& cpus) {
  for (int i = 1; i < threads; ++i) {
    workers_.emplace_back([this] { worker_loop(); });
    if (!cpus.empty()) pin(workers_.back(), cpus[static_cast<size_t>(i) % cpus.size()]);
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
  count_ = count;
  piece_ = std::max<int64_t>(1, count / (kPiecesEach * threads()));
  next_.store(0, std::memory_order_relaxed);
  running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  work();
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire))
    wait_while_equal(running_, left);
}

void WorkerPool::work() {
  while (true) {
    const int64_t first = next_.fetch_add(piece_, std::memory_order_relaxed);
    if (first >= count_) return;
    const int64_t end = std::min(first + piece_, count_);
    for (int64_t i = first; i < end; ++i) call_(body_, i);
  }
}

void WorkerPool::worker_loop() {
  uint32_t seen = 0;
  while (true) {
    wait_while_equal(epoch_, seen);
    ++seen;  // a new loop starts only after this worker has finished the last one
    if (stop_.load(std::memory_order_relaxed)) return;
    work();
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_all();
  }
}

}  // namespace tessera
