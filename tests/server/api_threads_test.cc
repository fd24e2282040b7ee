#include <random>
#include <thread>

#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

using ApiThreadsTest = ApiFixture;

// Clients on several threads ask, listen, leave and scrape while the engine answers on its own:
// whoever stays has a whole answer, nothing is left behind, and ThreadSanitizer sees it all.
TEST_F(ApiThreadsTest, ManyAskAndLeaveAtOnce) {
  engine.run_by_itself(20e-6);
  constexpr int kThreads = 4, kEach = 30;
  std::atomic<int> left{0};
  std::vector<std::thread> clients;
  for (int thread = 0; thread < kThreads; ++thread)
    clients.emplace_back([&, thread] {
      std::mt19937 random(static_cast<unsigned>(thread));
      for (int i = 0; i < kEach; ++i) {
        const bool stream = random() % 2 == 0;
        const auto exchange = post(
            kChat,
            chat({{"stream", stream}, {"n", 1 + random() % 3}, {"logprobs", random() % 2 == 0}}));
        if (random() % 3 == 0) {
          if (stream) exchange->wait_for_pieces(random() % 4);
          exchange->leave();
          ++left;
          continue;
        }
        if (random() % 8 == 0) {
          get("/metrics");
          get("/v1/status");
        }
        exchange->wait();
        EXPECT_EQ(exchange->response().status, 200);
        if (stream) {
          EXPECT_EQ(exchange->events().back(), "[DONE]");
        } else {
          EXPECT_EQ(exchange->json().at("choices")[0].at("message").at("content"), "You said: hi");
        }
      }
    });
  for (std::thread& client : clients) client.join();
  while (engine.running() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GT(left, 0);
  EXPECT_LE(engine.cancelled(), static_cast<size_t>(left));
}

}  // namespace
}  // namespace tessera
