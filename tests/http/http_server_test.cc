// What any client meets: methods, paths, bodies, connections.

#include "http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tessera/error.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(HttpServer, AnswersOneRequestAfterTheOther) {
  ExampleServer example;
  RawClient client(example.port());
  for (int i = 0; i < 3; ++i) {
    const RawResponse response = client.get("/hello");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "hello");
    EXPECT_EQ(response.header("Content-Type"), "application/json");
    EXPECT_EQ(response.header("Connection"), "");
    EXPECT_THAT(response.header("Date"), HasSubstr(" GMT"));
  }
  EXPECT_EQ(example.server->connections(), 1);
  EXPECT_EQ(example.server->url(), "http://127.0.0.1:" + std::to_string(example.port()));
}

TEST(HttpServer, EchoesBodiesOfAllSizes) {
  ExampleServer example;
  RawClient client(example.port());
  for (const size_t bytes : {0UL, 1UL, 8191UL, 8192UL, 8193UL, 3000000UL}) {
    std::string body(bytes, 'x');
    for (size_t i = 0; i < bytes; i += 97) body[i] = static_cast<char>(i);
    const RawResponse response = client.post("/echo", body);
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == body) << bytes;
  }
}

TEST(HttpServer, TakesChunkedBodiesInAnyPieces) {
  ExampleServer example;
  RawClient client(example.port());
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n1;note=\"a b\"\r\n \r\nA\r\n0123456789\r\n0\r\nX-Late: ignored\r\n\r\n";
  for (size_t piece = 1; piece < request.size(); piece += 13) {
    for (size_t at = 0; at < request.size(); at += piece)
      client.send(std::string_view(request).substr(at, piece));
    const RawResponse response = client.response();
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.body, "hello 0123456789");
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInTheirOrder) {
  ExampleServer example;
  RawClient client(example.port());
  std::string requests;
  for (int i = 0; i < 50; ++i)
    requests += "GET /below/" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.send(requests);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.response().body, "/below/" + std::to_string(i));
}

TEST(HttpServer, HandsTheRequestToItsHandler) {
  ExampleServer example;
  RawClient client(example.port());
  client.send(
      "POST /kept?a=%20b&c HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine-1\r\n"
      "X-Other:  some thing \r\nContent-Length: 2\r\n\r\nhi");
  const ExchangePtr exchange = example.kept.next();
  const HttpRequest& request = exchange->request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/kept");
  EXPECT_EQ(request.query, "a=%20b&c");
  EXPECT_EQ(request.header("x-other"), "some thing");
  EXPECT_EQ(request.header("absent"), "");
  EXPECT_EQ(request.body, "hi");
  EXPECT_EQ(request.id, "mine-1");
  EXPECT_EQ(request.client, "127.0.0.1");
  EXPECT_EQ(request.user, "");
  exchange->respond({.status = 202, .headers = {{"X-More", "1"}}, .body = "done"});
  exchange->respond({.body = "again"});  // ignored
  const RawResponse response = client.response();
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.header("X-More"), "1");
  EXPECT_EQ(response.header("X-Request-Id"), "mine-1");
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(client.get("/hello").body, "hello");
}

TEST(HttpServer, HeadGivesTheHeadOfGet) {
  ExampleServer example;
  RawClient client(example.port());
  const RawResponse head = client.ask("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), "5");
  EXPECT_EQ(client.get("/hello").body, "hello");  // nothing of a body came between
}

TEST(HttpServer, SaysWhatIsNotThere) {
  ExampleServer example;
  RawClient client(example.port());
  const RawResponse nothing = client.get("/nothing");
  EXPECT_EQ(nothing.status, 404);
  const Json error = Json::parse(nothing.body)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["code"], "unknown_url");
  EXPECT_EQ(error["param"], nullptr);
  EXPECT_EQ(error["found"], "/nothing");

  const RawResponse method = client.ask("DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.header("Allow"), "GET, HEAD, OPTIONS");
  const RawResponse options = client.ask("OPTIONS /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 204);
  EXPECT_EQ(client.get("/hello").status, 200);  // on the same connection
}

TEST(HttpServer, AnErrorBeforeABodyEndsTheConnectionAfterItsAnswer) {
  ExampleServer example;
  RawClient client(example.port());
  // More than the sockets buffer: the client is still sending when the answer comes.
  client.send("POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6000000\r\n\r\n");
  // Closed at once, it could not go on sending, and elsewhere than here would lose the answer.
  EXPECT_TRUE(client.send(std::string(6000000, 'x')));
  const RawResponse response = client.response();
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.header("Connection"), "close");
  EXPECT_TRUE(client.ends());
}

TEST(HttpServer, SendsContinueToWhoeverWaitsForIt) {
  ExampleServer example;
  RawClient client(example.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: 4\r\n\r\n");
  EXPECT_EQ(client.response().status, 100);
  client.send("body");
  EXPECT_EQ(client.response().body, "body");
  // Whoever would send too much is told before.
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: 99999999999\r\n\r\n");
  EXPECT_EQ(client.response().status, 413);
}

TEST(HttpServer, SpeaksHttp10) {
  ExampleServer example;
  RawClient client(example.port());
  const RawResponse kept =
      client.ask("GET /hello HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.body, "hello");
  EXPECT_EQ(kept.header("Connection"), "keep-alive");
  const RawResponse last = client.ask("GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(last.body, "hello");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(client.ends());
}

TEST(HttpServer, ClosesWhenAskedTo) {
  ExampleServer example;
  RawClient client(example.port());
  EXPECT_EQ(client.get("/hello", "Connection: close\r\n").header("Connection"), "close");
  EXPECT_TRUE(client.ends());
}

TEST(HttpServer, TurnsExceptionsIntoAnswers) {
  ExampleServer example(
      {}, {{"GET", "/error",
            [](const ExchangePtr&) { throw Error({.where = "file", .what = "is wrong"}); }},
           {"GET", "/oops", [](const ExchangePtr&) { throw std::runtime_error("secret"); }},
           {"GET", "/odd", [](const ExchangePtr&) { throw 7; }},
           {"GET", "/forgets", [](const ExchangePtr&) {}}});
  RawClient client(example.port());
  EXPECT_EQ(client.get("/error").status, 400);
  const RawResponse oops = client.get("/oops", "X-Request-Id: the-bad-one\r\n");
  EXPECT_EQ(oops.status, 500);
  EXPECT_EQ(oops.body.find("secret"), std::string::npos);
  EXPECT_TRUE(example.logs("request the-bad-one: GET /oops failed: secret"));
  EXPECT_EQ(client.get("/odd").status, 500);
  EXPECT_EQ(client.get("/forgets").status, 500);
  EXPECT_EQ(client.get("/hello").status, 200);
}

TEST(HttpServer, LogsEachRequest) {
  ExampleServer example;
  RawClient client(example.port());
  client.get("/below/a%20b?secret=1", "X-Request-Id: id-1\r\n");
  EXPECT_TRUE(example.logs_access("id-1 127.0.0.1 - \"GET /below/a\\x20b\" 200 10 B "));
  EXPECT_EQ(example.accesses().find("secret"), std::string::npos);
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.response().status, 400);
  EXPECT_TRUE(example.logs_access("\"- -\" 400 "));
}

TEST(HttpServer, ALogThatFailsOrStallsFailsNoRequest) {
  std::atomic<bool> stalled{true};
  {
    ExampleServer example({.access_log = [&](std::string_view) {
      stalled.wait(true);
      throw std::runtime_error("No space left on device");
    }});
    RawClient client(example.port());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(client.get("/hello").status, 200);
    stalled = false;
    stalled.notify_all();
    EXPECT_EQ(client.get("/hello").status, 200);
  }
}

TEST(HttpServer, ListensOnIpv6AndOnNames) {
  for (const char* host : {"::1", "localhost"}) {
    HttpServerOptions options;
    options.host = host;
    try {
      ExampleServer example(options);
      if (std::string(host) == "localhost") {
        EXPECT_EQ(RawClient(example.port()).get("/hello").status, 200);
      } else {
        EXPECT_EQ(example.server->url(), "http://[::1]:" + std::to_string(example.port()));
      }
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
}

TEST(HttpServer, SaysWhyItCannotListen) {
  ExampleServer example;
  const auto error_for = [](HttpServerOptions options) -> std::string {
    try {
      const HttpServer server(std::move(options), {});
    } catch (const UsageError& error) {
      return std::string("usage: ") + error.what();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_for({.port = example.port()}), HasSubstr("another server has this port"));
  EXPECT_THAT(error_for({.port = 70000}), HasSubstr("usage: port: expected 0 to 65535"));
  EXPECT_THAT(error_for({.host = "no such host"}), HasSubstr("usage: host: expected an address"));
  EXPECT_THAT(error_for({.host = ""}), HasSubstr("usage: host: "));
  EXPECT_THAT(error_for({.host = "0.0.0.0", .port = 0}),
              HasSubstr("usage: host: 0.0.0.0 can be reached from other machines: expected keys"));
  EXPECT_EQ(error_for({.host = "0.0.0.0", .port = 0, .insecure = true}), "no error");
  EXPECT_THAT(error_for({.port = 0, .tls_key_file = "key.pem"}), HasSubstr("usage: TLS: "));
  EXPECT_THAT(error_for({.port = 0, .origins = {"*"}}), HasSubstr("usage: CORS origin: "));
}

TEST(HttpServer, UsesSeveralIoThreads) {
  ExampleServer example({.io_threads = 3});
  std::vector<RawClient> clients;
  for (int i = 0; i < 9; ++i) clients.emplace_back(example.port());
  for (RawClient& client : clients) EXPECT_EQ(client.get("/hello").body, "hello");
}

TEST(HttpServer, IdleItUsesNoProcessorTime) {
  ExampleServer example({.io_threads = 2});
  RawClient client(example.port());
  EXPECT_EQ(client.get("/hello").status, 200);
  sleep_until_s(now_s() + 0.05);
  const double before = process_cpu_s();
  sleep_until_s(now_s() + 0.5);
  EXPECT_LT(process_cpu_s() - before, 0.005);
}

}  // namespace
}  // namespace tessera
