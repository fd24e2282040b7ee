#include "base/worker_pool.h"

#include <gtest/gtest.h>

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
