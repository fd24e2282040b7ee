#include <gtest/gtest.h>

#include <thread>

#include "base/bounded_queue.h"

namespace tessera {
namespace {

TEST(BoundedQueue, KeepsOrderAndHoldsBackTheFasterSide) {
  BoundedQueue<int> queue(2);
  std::thread producer([&] {
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(queue.push(i));
    queue.close();
  });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(queue.pop(), i);
  EXPECT_EQ(queue.pop(), std::nullopt);
  producer.join();
}

TEST(BoundedQueue, CloseWakesBothSides) {
  BoundedQueue<int> full(1), empty(1);
  EXPECT_TRUE(full.push(1));
  std::thread pusher([&] { EXPECT_FALSE(full.push(2)); });
  std::thread popper([&] { EXPECT_EQ(empty.pop(), std::nullopt); });
  full.close();
  empty.close();
  pusher.join();
  popper.join();
  EXPECT_EQ(full.pop(), 1);
}

}  // namespace
}  // namespace tessera
