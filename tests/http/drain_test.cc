// How a server ends: what is under way is finished, what is idle is let go.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"

namespace tessera {
namespace {

TEST(Drain, FinishesWhatIsUnderWay) {
  ExampleServer example;
  RawClient idle(example.port()), waiting(example.port()), streaming(example.port()),
      sending(example.port());
  EXPECT_EQ(idle.get("/hello").status, 200);
  waiting.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ExchangePtr first = example.kept.next();
  streaming.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ExchangePtr second = example.kept.next();
  second->begin_stream({});
  ASSERT_TRUE(streaming.gets("\r\n\r\n"));
  sending.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nha");
  sleep_until_s(now_s() + 0.05);

  example.server->stop_accepting();
  EXPECT_TRUE(idle.ends(5));
  EXPECT_TRUE(becomes_true([&] { return !RawClient(example.port()).connected(); }));
  idle.close();
  std::atomic<int> drained{-1};
  std::thread drainer([&] { drained = example.server->drain(20) ? 1 : 0; });
  sleep_until_s(now_s() + 0.05);
  EXPECT_EQ(drained, -1);

  first->respond({.body = "first"});
  second->write("second");
  second->end_stream();
  sending.send("lf");
  const RawResponse response = waiting.response();
  EXPECT_EQ(response.body, "first");
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_EQ(streaming.response().body, "second");
  EXPECT_EQ(sending.response().body, "half");
  for (RawClient* client : {&waiting, &streaming, &sending}) {
    EXPECT_TRUE(client->ends(5));
    client->close();
  }
  drainer.join();
  EXPECT_EQ(drained, 1);
}

TEST(Drain, SaysThatItsTimeIsUp) {
  ExampleServer example;
  RawClient client(example.port());
  client.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  std::atomic<bool> gone{false};
  exchange->on_gone([&] { gone = true; });
  EXPECT_FALSE(example.server->drain(0.1));
  EXPECT_FALSE(gone);
  example.server->stop();
  EXPECT_TRUE(gone);
  EXPECT_TRUE(client.ends(5));
  EXPECT_EQ(client.response().status, 0);
  example.server->stop();  // again: nothing
}

TEST(Drain, StopWaitsForHandlersThatRun) {
  std::atomic<bool> running{false}, done{false};
  {
    ExampleServer example({}, {{"GET", "/slow", [&](const ExchangePtr&) {
                                  running = true;
                                  sleep_until_s(now_s() + 0.1);
                                  done = true;
                                }}});
    RawClient client(example.port());
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(becomes_true([&] { return running.load(); }));
  }
  EXPECT_TRUE(done);
}

TEST(Drain, StopsUnderLoadAndWithoutALeftover) {
  std::atomic<int> answered{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  {
    ExampleServer example({.io_threads = 2});
    for (int t = 0; t < 4; ++t)
      clients.emplace_back([&, port = example.port()] {
        while (!stop) {
          RawClient client(port);
          for (int i = 0; i < 5 && client.connected(); ++i)
            answered += client.get("/hello").status == 200 ? 1 : 0;
        }
      });
    EXPECT_TRUE(becomes_true([&] { return answered > 50; }));
  }
  stop = true;
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace tessera
