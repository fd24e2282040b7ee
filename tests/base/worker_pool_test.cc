#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <numeric>

namespace tessera {
namespace {

TEST(WorkerPool, CallsEachIndexOnceAndShowsItsWrites) {
  WorkerPool pool(4);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> out(static_cast<size_t>(round));
    pool.for_each(round, [&](int64_t i) { out[static_cast<size_t>(i)] += i + 1; });
    const auto n = static_cast<int64_t>(round);
    EXPECT_EQ(std::accumulate(out.begin(), out.end(), int64_t{0}), n * (n + 1) / 2);
  }
}

TEST(WorkerPool, GivesAThreadTheSameShareOfEveryLoop) {
  constexpr size_t kThreads = 3;
  WorkerPool pool(kThreads);
  std::barrier together(kThreads);  // nobody helps before all have begun
  std::array<std::thread::id, kThreads> before;
  for (int round = 0; round < 50; ++round) {
    std::array<std::thread::id, kThreads> of;
    pool.for_each(kThreads, [&](int64_t i) {
      together.arrive_and_wait();
      of[static_cast<size_t>(i)] = std::this_thread::get_id();
    });
    EXPECT_EQ(of[0], std::this_thread::get_id());
    if (round == 0) before = of;
    EXPECT_EQ(of, before);
  }
}

TEST(WorkerPool, AThreadThatIsDoneHelpsTheOthers) {
  WorkerPool pool(2);
  std::atomic<int> done{0};
  // The first index waits for more of the others than the second thread's share has.
  pool.for_each(64, [&](int64_t i) {
    while (i == 0 && done.load() < 56) std::this_thread::yield();
    ++done;
  });
  EXPECT_EQ(done.load(), 64);
}

TEST(WorkerPool, TwoCallersShareItWithoutWaitingForEachOther) {
  WorkerPool pool(3);
  const auto loop = [&] {
    for (int round = 0; round < 100; ++round) {
      std::atomic<int64_t> sum{0};
      pool.for_each(50, [&](int64_t i) { sum += i; });
      EXPECT_EQ(sum.load(), 49 * 50 / 2);
    }
  };
  std::thread other(loop);
  loop();
  other.join();
}

}  // namespace
}  // namespace tessera
