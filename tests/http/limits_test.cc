// Each limit: what is refused, with which status, and that the answer says the limit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/json.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::string expected_in(const RawResponse& response) {
  const Json json = Json::parse(response.body, nullptr, false);
  return json.is_discarded() ? "no JSON" : json["error"].value("expected", "nothing");
}

HttpServerOptions narrow() {
  HttpServerOptions options;
  options.limits.header_bytes = 2000;
  options.limits.headers = 10;
  options.limits.target_bytes = 200;
  options.limits.body_bytes = 5000;
  return options;
}

TEST(Limits, Headers) {
  ExampleServer example(narrow());
  EXPECT_EQ(RawClient(example.port()).get("/hello", "X: " + std::string(1800, 'x') + "\r\n").status,
            200);
  for (const std::string& headers :
       {"X: " + std::string(2000, 'x') + "\r\n", "X: " + std::string(200000, 'x')}) {
    RawClient client(example.port());
    const RawResponse response = client.get("/hello", headers);
    EXPECT_EQ(response.status, 431);
    EXPECT_EQ(expected_in(response), "at most 2000 bytes");
    EXPECT_TRUE(client.ends());
  }
  std::string many;
  for (int i = 0; i < 10; ++i) many += "X: y\r\n";
  const RawResponse response = RawClient(example.port()).get("/hello", many);
  EXPECT_EQ(response.status, 431);
  EXPECT_EQ(expected_in(response), "at most 10");
}

TEST(Limits, Url) {
  ExampleServer example(narrow());
  EXPECT_EQ(RawClient(example.port()).get("/below/" + std::string(193, 'x')).status, 200);
  for (const size_t bytes : {194UL, 1990UL, 100000UL}) {
    const RawResponse response = RawClient(example.port()).get("/below/" + std::string(bytes, 'x'));
    EXPECT_EQ(response.status, 414) << bytes;
    EXPECT_EQ(expected_in(response), "at most 200 bytes");
  }
}

TEST(Limits, Body) {
  ExampleServer example(narrow());
  EXPECT_EQ(RawClient(example.port()).post("/echo", std::string(5000, 'x')).status, 200);
  const auto refused = [&](const std::string& rest) {
    RawClient client(example.port());
    const RawResponse response = client.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\n" + rest);
    EXPECT_EQ(response.status, 413) << rest.substr(0, 40);
    EXPECT_EQ(expected_in(response), "at most 5000 bytes (4.88 KiB)");
    EXPECT_TRUE(client.ends());
  };
  refused("Content-Length: 5001\r\n\r\n");
  refused("Content-Length: 18446744073709551615\r\n\r\n");
  const std::string chunk = "7D0\r\n" + std::string(2000, 'x') + "\r\n";
  refused("Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk + chunk);
  refused("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF0\r\n");
  refused("Transfer-Encoding: chunked\r\n\r\n" + chunk + "FFFFFFFFFFFFFFFF\r\n");
}

TEST(Limits, WhatStandsAroundChunks) {
  ExampleServer example(narrow());
  for (const std::string& rest :
       {"5;" + std::string(3000, 'x'), "0\r\nX: " + std::string(3000, 'x')}) {
    RawClient client(example.port());
    const RawResponse response = client.ask(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + rest);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(expected_in(response), "at most 2000 bytes");
  }
}

TEST(Limits, BodiesOfAllRequestsTogether) {
  HttpServerOptions options;
  options.limits.bodies_bytes = 100000;
  ExampleServer example(options);
  RawClient first(example.port()), second(example.port());
  first.send("POST /kept HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n" +
             std::string(60000, 'x'));
  ExchangePtr exchange = example.kept.next();
  const RawResponse refused = second.post("/echo", std::string(60000, 'x'));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_EQ(expected_in(refused), "at most 100000 bytes");
  exchange->respond({});
  exchange = nullptr;
  EXPECT_EQ(first.response().status, 200);
  // The worker that called the handler lets go of the request a moment after it.
  EXPECT_TRUE(becomes_true([&] {
    return RawClient(example.port()).post("/echo", std::string(60000, 'x')).status == 200;
  }));
}

TEST(Limits, Connections) {
  HttpServerOptions options;
  options.limits.connections = 3;
  options.limits.linger_s = 0.1;
  ExampleServer example(options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(example.port());
    EXPECT_EQ(clients.back().get("/hello").status, 200);
  }
  RawClient refused(example.port());
  const RawResponse response = refused.get("/hello");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(expected_in(response), "at most 3");
  EXPECT_TRUE(refused.ends());
  clients.pop_back();
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 2; }));
  EXPECT_EQ(RawClient(example.port()).get("/hello").status, 200);
}

TEST(Limits, ConnectionsOfOneAddress) {
  HttpServerOptions options;
  options.limits.connections_of_address = 2;
  ExampleServer example(options);
  RawClient first(example.port()), second(example.port());
  EXPECT_EQ(first.get("/hello").status, 200);
  EXPECT_EQ(second.get("/hello").status, 200);
  const RawResponse response = RawClient(example.port()).get("/hello");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(expected_in(response), "at most 2");
}

TEST(Limits, RequestsThatWaitForAWorker) {
  HttpServerOptions options;
  options.limits.workers = 1;
  options.limits.waiting_for_a_worker = 1;
  std::atomic<int> busy{0};
  std::atomic<bool> go_on{false};
  ExampleServer example(options, {{"GET", "/slow", [&](const ExchangePtr& e) {
                                     ++busy;
                                     go_on.wait(false);
                                     e->respond({.body = "done"});
                                   }}});
  const std::string request = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
  RawClient working(example.port()), waiting(example.port()), refused(example.port());
  working.send(request);
  ASSERT_TRUE(becomes_true([&] { return busy == 1; }));
  waiting.send(request);
  // The second waits in the queue: it has been read once the server answers another of its kind.
  RawResponse response;
  ASSERT_TRUE(becomes_true([&] {
    response = refused.get("/hello");
    return response.status == 503;
  }));
  EXPECT_EQ(expected_in(response), "at most 1");
  RawClient probe(example.port());
  probe.send("GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n");  // takes a place ahead of all
  EXPECT_FALSE(probe.gets("503", 0.1));
  go_on = true;
  go_on.notify_all();
  EXPECT_EQ(working.response().body, "done");
  EXPECT_EQ(probe.response().body, "open");
  EXPECT_EQ(waiting.response().body, "done");
  EXPECT_EQ(refused.get("/hello").status, 200);
}

// Sockets are made before the descriptors run out, and connected after.
TEST(Limits, DescriptorsOfTheProcess) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at an object's type";
#endif
  ExampleServer example;
  RawClient before(example.port());
  EXPECT_EQ(before.get("/hello").status, 200);
  std::vector<int> sockets;
  for (int i = 0; i < 20; ++i) sockets.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

  rlimit usual = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  const rlimit none = {.rlim_cur = static_cast<rlim_t>(sockets.back()) + 1,
                       .rlim_max = usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(example.port()));
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  for (const int fd : sockets)
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  EXPECT_TRUE(example.logs("clients are turned away"));
  for (const int fd : sockets) {  // at once, instead of waiting for nothing
    pollfd ended = {.fd = fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ended, 1, 5000), 1);
  }
  EXPECT_EQ(before.get("/hello").status, 200);
  const double cpu = process_cpu_s();
  sleep_until_s(now_s() + 0.3);
  EXPECT_LT(process_cpu_s() - cpu, 0.1);

  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  for (const int fd : sockets) ::close(fd);
  EXPECT_TRUE(becomes_true([&] { return RawClient(example.port()).get("/hello").status == 200; }));
}

}  // namespace
}  // namespace tessera
