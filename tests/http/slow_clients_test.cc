// Clients that take their time, and those that take nothing at all.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/json.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"

namespace tessera {
namespace {

HttpServerOptions impatient() {
  HttpServerOptions options;
  options.limits.header_s = 0.2;
  options.limits.idle_s = 0.2;
  options.limits.body_s = 0.2;
  options.limits.body_bytes_per_s = 1000;
  options.limits.write_s = 0.2;
  options.limits.linger_s = 0.2;
  return options;
}

TEST(SlowClients, OneThatSaysNothingIsLetGo) {
  ExampleServer example(impatient());
  RawClient client(example.port());
  EXPECT_TRUE(client.ends(5));
  EXPECT_EQ(client.response().status, 0);
  EXPECT_EQ(example.accesses(), "");
}

TEST(SlowClients, OneThatIsIdleAfterItsAnswerIsLetGo) {
  ExampleServer example(impatient());
  RawClient client(example.port());
  EXPECT_EQ(client.get("/hello").status, 200);
  const double before = now_s();
  EXPECT_TRUE(client.ends(5));
  EXPECT_GT(now_s() - before, 0.1);
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }));
}

TEST(SlowClients, OneThatDripsHeadersIsToldToHurry) {
  ExampleServer example(impatient());
  RawClient client(example.port());
  const double begin = now_s();
  client.send("GET /hello HTTP/1.1\r\n");
  while (now_s() - begin < 3 && client.send("X: y\r\n") && !client.gets("408", 0.02)) {
  }
  const RawResponse response = client.response();
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(Json::parse(response.body)["error"]["expected"], "all of them within 0.2 s");
  EXPECT_LT(now_s() - begin, 2);
  EXPECT_TRUE(client.ends());
}

TEST(SlowClients, OneThatDripsItsBodyIsToldToHurry) {
  ExampleServer example(impatient());
  RawClient client(example.port());
  const double begin = now_s();
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
  client.send(std::string(50000, 'x'));  // a good beginning is no credit for what follows
  while (now_s() - begin < 3 && client.send("x") && !client.gets("408", 0.02)) {
  }
  const RawResponse response = client.response();
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(Json::parse(response.body)["error"]["expected"], "1000 bytes/s");
  EXPECT_LT(now_s() - begin, 2);
}

TEST(SlowClients, OneThatIsSteadyMayTakeLong) {
  ExampleServer example(impatient());
  RawClient client(example.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n");
  const double begin = now_s();
  for (int i = 0; i < 10; ++i) {  // 0.5 s, twice what headers may take
    ASSERT_TRUE(client.send(std::string(1000, 'x')));
    sleep_until_s(begin + 0.05 * (i + 1));
  }
  EXPECT_EQ(client.response().body.size(), 10000U);
}

TEST(SlowClients, NoClockRunsWhileTheServerIsAtWork) {
  ExampleServer example(impatient());
  RawClient client(example.port());
  client.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  sleep_until_s(now_s() + 0.5);
  exchange->begin_stream({});
  sleep_until_s(now_s() + 0.5);
  exchange->end_stream();
  EXPECT_TRUE(client.response().whole);
}

TEST(SlowClients, OneThatFetchesNothingOfALongAnswerIsDropped) {
  ExampleServer example(impatient());
  RawClient client(example.port(), "127.0.0.1", 4096);
  client.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  exchange->respond({.body = std::string(20000000, 'x')});
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }, 5));
  EXPECT_TRUE(example.logs_access("incomplete"));
}

TEST(SlowClients, OneThatLetsAStreamPileUpIsDroppedAndOthersDoNotNotice) {
  HttpServerOptions options;
  options.limits.backlog_bytes = 100000;
  ExampleServer example(options);
  RawClient lazy(example.port(), "127.0.0.1", 4096), other(example.port());
  lazy.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  std::atomic<bool> gone{false};
  exchange->on_gone([&] { gone = true; });
  exchange->begin_stream({});
  const std::string piece(10000, 'x');
  const double begin = now_s();
  int written = 0;
  for (; !gone && now_s() - begin < 10; ++written) {
    exchange->write(piece);
    if (written % 100 == 0) {
      EXPECT_EQ(other.get("/hello").status, 200);
    }
    // As an engine writes: the session is waiting for the client when it has become too much.
    std::this_thread::sleep_for(std::chrono::microseconds(10));
  }
  EXPECT_TRUE(gone);
  EXPECT_GE(written, 10);
  EXPECT_TRUE(example.logs("127.0.0.1 is dropped"));
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 1; }));
  EXPECT_EQ(other.get("/hello").status, 200);
}

}  // namespace
}  // namespace tessera
