// Answers in pieces, from any thread, and clients that leave in the middle.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "tessera/error.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"

namespace tessera {
namespace {

const HttpResponse kEvents = {.content_type = "text/event-stream"};
const std::string kAskForStream = "GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST(Streaming, EachPieceArrivesBeforeTheNextIsWritten) {
  ExampleServer example;
  RawClient client(example.port());
  client.send(kAskForStream);
  const ExchangePtr exchange = example.kept.next();
  exchange->begin_stream(kEvents);
  ASSERT_TRUE(client.gets("Transfer-Encoding: chunked\r\n\r\n"));
  for (int i = 0; i < 20; ++i) {
    const std::string piece = "data: " + std::to_string(i) + "\n\n";
    exchange->write(piece);
    ASSERT_TRUE(client.gets(piece, 5)) << i;
  }
  exchange->write("");  // would end it
  exchange->write("last");
  exchange->end_stream();
  exchange->write("too late");
  const RawResponse response = client.response();
  EXPECT_TRUE(response.whole);
  EXPECT_EQ(response.header("Content-Type"), "text/event-stream");
  EXPECT_EQ(response.body.substr(response.body.size() - 14), "data: 19\n\nlast");
  EXPECT_EQ(client.get("/hello").body, "hello");
}

TEST(Streaming, PiecesOfManyThreadsArriveWholeAndEachThreadsInOrder) {
  ExampleServer example;
  RawClient client(example.port());
  client.send(kAskForStream);
  const ExchangePtr exchange = example.kept.next();
  exchange->begin_stream(kEvents);
  constexpr int kThreads = 4, kPieces = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPieces; ++i)
        exchange->write(std::to_string(t) + ":" + std::to_string(i) + "\n");
    });
  for (std::thread& thread : threads) thread.join();
  exchange->end_stream();
  const RawResponse response = client.response();
  ASSERT_TRUE(response.whole);
  std::vector<int> next(kThreads, 0);
  std::istringstream lines(response.body);
  std::string line;
  while (std::getline(lines, line)) {
    const auto thread = static_cast<size_t>(line[0] - '0');
    ASSERT_EQ(line, std::to_string(thread) + ":" + std::to_string(next[thread]++));
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kPieces));
}

// Some pieces go out from the threads that write them, some from the server's own.
TEST(Streaming, PiecesKeepTheirOrderThroughAClientThatFetchesSlowly) {
  ExampleServer example;
  RawClient client(example.port(), "127.0.0.1", 4096);
  client.send(kAskForStream);
  const ExchangePtr exchange = example.kept.next();
  exchange->begin_stream(kEvents);
  constexpr int kThreads = 2, kPieces = 400;
  std::atomic<int> sent{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPieces; ++i) {
        exchange->write(std::to_string(t) + ":" + std::to_string(i) + std::string(2000, ' ') + "\n",
                        [&] { ++sent; });
        if (i % 16 == 0) sleep_until_s(now_s() + 1e-3);  // it catches up now and then
      }
    });
  for (int i = 0; i < 100; ++i) {
    sleep_until_s(now_s() + 0.2e-3);
    EXPECT_TRUE(client.receive());
  }
  for (std::thread& thread : threads) thread.join();
  exchange->end_stream();
  const RawResponse response = client.response();
  ASSERT_TRUE(response.whole);
  EXPECT_TRUE(becomes_true([&] { return sent == kThreads * kPieces; }));
  std::vector<int> next(kThreads, 0);
  std::istringstream lines(response.body);
  for (std::string line; std::getline(lines, line);) {
    const auto thread = static_cast<size_t>(line[0] - '0');
    ASSERT_EQ(line.substr(0, line.find(' ')),
              std::to_string(thread) + ":" + std::to_string(next[thread]++));
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kPieces));
}

// The socket closes while other threads write to it, again and again.
TEST(Streaming, ClientsThatLeaveInTheMiddleHurtNobody) {
  ExampleServer example;
  for (int round = 0; round < 20; ++round) {
    RawClient client(example.port());
    client.send(kAskForStream);
    const ExchangePtr exchange = example.kept.next();
    std::atomic<bool> gone{false};
    exchange->on_gone([&] { gone = true; });
    exchange->begin_stream(kEvents);
    std::thread writer([&] {
      while (!gone) exchange->write("piece\n");
      exchange->write("into the void", [&] { ADD_FAILURE() << "nobody has it"; });
    });
    EXPECT_TRUE(client.gets("piece\n"));
    client.close();
    writer.join();
  }
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }));
  RawClient other(example.port());
  EXPECT_EQ(other.get("/hello").body, "hello");
}

TEST(Streaming, MayBeOfAnyLengthForAClientThatFetchesIt) {
  HttpServerOptions options;
  options.limits.backlog_bytes = 50000;
  ExampleServer example(options);
  RawClient client(example.port());
  client.send(kAskForStream);
  const ExchangePtr exchange = example.kept.next();
  exchange->begin_stream(kEvents);
  for (int i = 0; i < 100; ++i) {
    const std::string end = "end " + std::to_string(i) + "\n";
    exchange->write(std::string(5000, 'x') + end);
    ASSERT_TRUE(client.gets(end, 5)) << i;
  }
  exchange->end_stream();
  EXPECT_TRUE(client.response().whole);
}

TEST(Streaming, GoesToHttp10UntilTheConnectionsEnd) {
  ExampleServer example;
  RawClient client(example.port());
  client.send("GET /kept HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  exchange->begin_stream(kEvents);
  exchange->write("one ");
  exchange->write("two");
  exchange->end_stream();
  const RawResponse response = client.response();
  EXPECT_EQ(response.header("Transfer-Encoding"), "");
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_EQ(response.body, "one two");
}

TEST(Streaming, HeadSparesTheStreamAndWhoeverMakesIt) {
  ExampleServer example;
  RawClient client(example.port());
  client.send("HEAD /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  std::atomic<bool> gone{false};
  exchange->on_gone([&] { gone = true; });
  exchange->begin_stream(kEvents);
  exchange->write("nobody wants this");
  EXPECT_EQ(client.response(true).status, 200);
  EXPECT_TRUE(becomes_true([&] { return gone.load(); }));
  EXPECT_EQ(client.get("/hello").body, "hello");
}

TEST(Streaming, WhoeverWaitsHearsAtOnceOfAClientThatLeaves) {
  ExampleServer example;
  for (const bool streaming : {false, true}) {
    RawClient client(example.port());
    client.send(kAskForStream);
    const ExchangePtr exchange = example.kept.next();
    std::atomic<int> calls{0};
    exchange->on_gone([&] { ++calls; });
    if (streaming) {
      exchange->begin_stream(kEvents);
      ASSERT_TRUE(client.gets("\r\n\r\n"));
    }
    EXPECT_EQ(calls, 0);
    client.close();
    EXPECT_TRUE(becomes_true([&] { return calls > 0; }, 2));
    exchange->write("into the void");
    exchange->respond({});
    exchange->end_stream();
    exchange->on_gone([&] { calls += 10; });  // at once
    EXPECT_EQ(calls, 11);
    EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }));
  }
  EXPECT_TRUE(example.logs_access("\"GET /kept\" 499 0 B"));
  EXPECT_TRUE(example.logs_access("\"GET /kept\" 200 0 B"));
}

TEST(Streaming, NobodyIsToldOfAClientThatHasItsAnswer) {
  ExampleServer example;
  std::atomic<bool> gone{false};
  const auto witness = std::make_shared<int>();
  RawClient client(example.port());
  client.send(kAskForStream);
  example.kept.next()->on_gone([&gone, witness] { gone = true; });  // and drops it: 500
  EXPECT_EQ(client.response().status, 500);
  client.send(kAskForStream);
  {
    const ExchangePtr exchange = example.kept.next();
    exchange->on_gone([&gone, witness] { gone = true; });
    exchange->respond({.body = "all"});
    EXPECT_EQ(client.response().body, "all");
  }
  client.close();
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }));
  EXPECT_FALSE(gone);
  EXPECT_EQ(witness.use_count(), 1);  // nothing holds on to the callbacks
}

TEST(Streaming, AStreamThatIsDroppedIsNotTakenForWhole) {
  ExampleServer example({}, {{"GET", "/breaks", [](const ExchangePtr& e) {
                                e->begin_stream(kEvents);
                                e->write("half");
                                throw Error({.what = "the other half"});
                              }}});
  RawClient client(example.port());
  client.send("GET /breaks HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const RawResponse response = client.response();
  EXPECT_EQ(response.body, "half");
  EXPECT_FALSE(response.whole);
  EXPECT_TRUE(client.ends());

  RawClient other(example.port());
  other.send(kAskForStream);
  example.kept.next()->begin_stream(kEvents);  // and drops it
  EXPECT_FALSE(other.response().whole);
  EXPECT_TRUE(other.ends());
}

TEST(Streaming, AnExchangeMayOutliveItsServer) {
  ExchangePtr exchange;
  std::atomic<bool> gone{false};
  {
    ExampleServer example;
    RawClient client(example.port());
    client.send(kAskForStream);
    exchange = example.kept.next();
    exchange->on_gone([&] { gone = true; });
    exchange->begin_stream(kEvents);
    example.server->stop();
    EXPECT_TRUE(gone);
  }
  exchange->write("late");
  exchange->end_stream();
  EXPECT_EQ(exchange->request().path, "/kept");
}

TEST(Streaming, ReadsNoEndOfRequestsAheadAndAnswersThemAll) {
  ExampleServer example;
  RawClient client(example.port());
  client.send(kAskForStream);
  const ExchangePtr exchange = example.kept.next();
  // 200 KiB of further requests, more than is read ahead, less than the sockets hold.
  constexpr int kMore = 1000;
  std::string more;
  for (int i = 0; i < kMore; ++i)
    more += "GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Padding: " + std::string(150, 'x') +
            "\r\n\r\n";
  std::thread sender([&] { client.send(more); });
  sleep_until_s(now_s() + 0.05);
  exchange->respond({.body = "first"});
  sender.join();
  EXPECT_EQ(client.response().body, "first");
  for (int i = 0; i < kMore; ++i) ASSERT_EQ(client.response().body, "hello") << i;
}

}  // namespace
}  // namespace tessera
