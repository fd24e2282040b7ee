#include "runtime/fair_queue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "runtime/queue_rate.h"

namespace tessera {
namespace {

TEST(FairQueue, IsFirstComeFirstServedInsideAUser) {
  FairQueue queue;
  FairQueue::User* user = queue.enter("a");
  for (RequestId id = 1; id <= 3; ++id) queue.push(user, id);
  queue.begin_round();
  EXPECT_EQ(queue.next(), 1U);
  queue.pass_over(user);
  EXPECT_EQ(queue.next(), 2U);
  queue.remove(user, 2);
  EXPECT_EQ(queue.next(), 3U);
  queue.remove(user, 1);  // before the one that is next
  EXPECT_EQ(queue.next(), 3U);
  queue.pass_over(user);
  EXPECT_EQ(queue.next(), std::nullopt);
  queue.begin_round();
  EXPECT_EQ(queue.next(), 3U);
}

// While users have requests all the time, what they were served differs by one piece at most,
// however large each one's requests are.
TEST(FairQueue, ServesBackloggedUsersWithinOnePieceOfEachOther) {
  constexpr int64_t kPiece = 50;
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    FairQueue queue;
    std::vector<FairQueue::User*> users;
    std::vector<int64_t> served(4, 0), left(5000, 0);
    RequestId id = 0;
    const auto refill = [&](size_t u) {
      queue.push(users[u], ++id);
      left[id] = static_cast<int64_t>(1 + random() % (30 * (u + 1) * (u + 1)));
    };
    for (size_t u = 0; u < served.size(); ++u) {
      users.push_back(queue.enter(fmt::format("user {}", u)));
      for (int i = 0; i < 3; ++i) refill(u);
    }
    while (id < 2000) {
      queue.begin_round();
      const RequestId next = *queue.next();
      const auto u = static_cast<size_t>(
          std::ranges::find_if(users, [&](auto* user) { return user->queue.front() == next; }) -
          users.begin());
      const int64_t rows =
          std::min<int64_t>(left[next], static_cast<int64_t>(1 + random() % kPiece));
      queue.charge(users[u], rows);
      served[u] += rows;
      left[next] -= rows;
      if (left[next] == 0) {
        refill(u);
        queue.remove(users[u], next);
      }
      const auto [least, most] = std::ranges::minmax(served);
      ASSERT_LE(most - least, kPiece) << "seed " << seed;
    }
  }
}

TEST(FairQueue, NobodySavesUpWhileAway) {
  FairQueue queue;
  FairQueue::User* busy = queue.enter("busy");
  FairQueue::User* idle = queue.enter("idle");
  queue.push(busy, 1);
  queue.charge(busy, 1000);
  queue.push(idle, 2);
  EXPECT_EQ(idle->served, 1000);
  queue.charge(idle, 1);
  queue.begin_round();
  EXPECT_EQ(queue.next(), 1U);
  // Nor while nobody waits: it is then that of who waited last.
  queue.remove(idle, 2);
  queue.remove(busy, 1);
  FairQueue::User* late = queue.enter("late");
  queue.push(late, 3);
  EXPECT_EQ(late->served, 1000);
}

TEST(FairQueue, RemembersWhoWasServedMoreButNotEveryNameForEver) {
  FairQueue queue;
  FairQueue::User* greedy = queue.enter("greedy");
  queue.push(greedy, 1);
  queue.charge(greedy, 5000);
  queue.remove(greedy, 1);
  queue.leave(greedy);
  FairQueue::User* again = queue.enter("greedy");
  EXPECT_EQ(again->served, 5000);
  for (RequestId id = 10; id < 10000; ++id) {
    FairQueue::User* user = queue.enter(fmt::format("user {}", id));
    queue.push(user, id);
    queue.charge(user, 1);
    queue.remove(user, id);
    queue.leave(user);
  }
  EXPECT_LE(queue.users(), 1100U);
  EXPECT_EQ(queue.enter("greedy"), again);  // it has a request
}

TEST(QueueRate, IsTheMeanOfTheLastIntervalsAndGrowsWhenNothingMoves) {
  QueueRate rate;
  EXPECT_EQ(rate.next_s(100), 1);
  for (int i = 0; i <= 100; ++i) rate.left(100 + 2 * i);
  EXPECT_NEAR(rate.next_s(302), 2, 1e-9);
  EXPECT_NEAR(rate.next_s(302 + 32 * 3), 5, 1e-9);
  EXPECT_EQ(rate.next_s(1e6), 60);
}

}  // namespace
}  // namespace tessera
