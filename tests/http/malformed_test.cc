// Requests that are none, or that two servers would read differently: refused, and the connection
// with them, so that nothing of them is taken for a next request.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"

namespace tessera {
namespace {

struct Malformed {
  const char* name;
  std::string bytes;
  int status = 400;
};

const std::string kGet = "GET /hello HTTP/1.1\r\nHost: localhost\r\n";
const std::string kPost = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
const std::string kSmuggled = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
const std::string kChunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";

std::vector<Malformed> all_malformed() {
  using std::string_literals::operator""s;
  return {
      {"noise", std::string("\x01\x02\x03\xff\xfe nonsense\r\n\r\n")},
      {"tls_hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + "\r\n\r\n"},
      {"http_0_9", "GET /hello\r\n\r\n"},
      {"http_2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"no_target", "GET  HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"two_spaces", "GET  /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"bare_line_feeds", "GET /hello HTTP/1.1\nHost: localhost\n\n"},
      {"relative_target", "GET hello HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"authority_target", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"broken_percent", "GET /hello%2 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"percent_nul", "GET /hello%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"percent_line", "GET /hello%0d%0aX: HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"percent_not_utf8", "GET /hello%ff HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"nul_in_target", "GET /he\0llo HTTP/1.1\r\nHost: localhost\r\n\r\n"s},
      {"nul_in_header", kGet + "X: a\0b\r\n\r\n"s},
      {"control_in_header", kGet + "X: a\x01" + "b\r\n\r\n"},
      {"not_utf8_in_header", kGet + "X: \xff\xfe\r\n\r\n"},
      {"overlong_utf8_in_header", kGet + "X: \xc0\xaf\r\n\r\n"},
      {"space_before_colon", kGet + "X : y\r\n\r\n"},
      {"no_colon", kGet + "X\r\n\r\n"},
      {"empty_name", kGet + ": y\r\n\r\n"},
      {"no_host", "GET /hello HTTP/1.1\r\n\r\n"},
      {"two_hosts", kGet + "Host: localhost\r\n\r\n"},
      {"odd_host", "GET /hello HTTP/1.1\r\nHost: local/host\r\n\r\n"},
      {"two_keys", kGet + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"},
      {"other_expectation", kPost + "Expect: the-unexpected\r\nContent-Length: 0\r\n\r\n", 417},
      {"two_lengths", kPost + "Content-Length: 0\r\nContent-Length: 43\r\n\r\n" + kSmuggled},
      {"same_length_twice", kPost + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + kSmuggled},
      {"list_of_lengths", kPost + "Content-Length: 0, 0\r\n\r\n" + kSmuggled},
      {"signed_length", kPost + "Content-Length: +0\r\n\r\n" + kSmuggled},
      {"negative_length", kPost + "Content-Length: -1\r\n\r\n" + kSmuggled},
      {"hex_length", kPost + "Content-Length: 0x10\r\n\r\n" + kSmuggled},
      {"empty_length", kPost + "Content-Length:\r\n\r\n" + kSmuggled},
      {"absurd_length", kPost + "Content-Length: 99999999999999999999999\r\n\r\n" + kSmuggled},
      {"length_and_chunked",
       kPost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kSmuggled},
      {"chunked_and_length",
       kPost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + kSmuggled},
      {"chunked_twice", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            "0\r\n\r\n" + kSmuggled},
      {"unknown_coding", kPost + "Transfer-Encoding: gzip\r\n\r\n" + kSmuggled, 501},
      {"chunked_not_last", kPost + "Transfer-Encoding: chunked, gzip\r\n\r\n" + kSmuggled, 501},
      {"chunked_in_a_list", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n" + kSmuggled, 501},
      {"chunked_with_a_tab", kPost +
                                 "Transfer-Encoding: \x0b"
                                 "chunked\r\n\r\n" +
                                 kSmuggled},
      {"chunked_in_1_0",
       "POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked"
       "\r\n\r\n0\r\n\r\n"},
      {"chunk_without_size", kChunked + "\r\nhello\r\n0\r\n\r\n"},
      {"chunk_of_odd_size", kChunked + "xyz\r\nhello\r\n0\r\n\r\n"},
      {"chunk_of_negative_size", kChunked + "-5\r\nhello\r\n0\r\n\r\n"},
      {"chunk_of_huge_size", kChunked + "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"},
      {"chunk_that_goes_on", kChunked + "5\r\nhello, world\r\n0\r\n\r\n"},
      {"length_behind_chunks", kChunked + "0\r\nContent-Length: 43\r\n\r\n" + kSmuggled},
  };
}

TEST(MalformedRequests, AreRefusedWithTheirConnection) {
  ExampleServer example;
  for (const Malformed& malformed : all_malformed()) {
    SCOPED_TRACE(malformed.name);
    RawClient client(example.port());
    client.send(malformed.bytes);
    client.finish_sending();  // what waits for more gets no answer
    const RawResponse response = client.response();
    EXPECT_EQ(response.status, malformed.status) << response.body;
    EXPECT_FALSE(Json::parse(response.body, nullptr, false).is_discarded()) << response.body;
    // The connection may stay where the URL alone was wrong, and nothing follows.
    if (response.header("Connection").empty()) {
      EXPECT_EQ(malformed.bytes.find("POST"), std::string::npos);
    }
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(client.response().status, 0) << "a second answer";
  }
  EXPECT_EQ(RawClient(example.port()).get("/hello").status, 200);
}

TEST(MalformedRequests, AreNoneThatAreOnlyUnusual) {
  ExampleServer example;
  RawClient client(example.port());
  for (const std::string& request :
       {std::string("\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("GET /hell%6f?%zz HTTP/1.1\r\nHOST:localhost:80\r\nX:\r\n\r\n"),
        std::string("GET /hello HTTP/1.1\r\nHost: [::1]:80\r\nX: \xc3\xa9\ttab\r\n\r\n"),
        std::string("GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc")}) {
    const RawResponse response = client.ask(request);
    EXPECT_EQ(response.status, 200) << request << response.body;
    EXPECT_EQ(response.body, "hello");
  }
}

TEST(MalformedRequests, MayBeCutOffAnywhere) {
  ExampleServer example;
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\n";
  for (size_t bytes = 0; bytes < request.size(); ++bytes) {
    RawClient client(example.port());
    client.send(request.substr(0, bytes));
    client.finish_sending();
    EXPECT_TRUE(client.ends(5)) << bytes;
    EXPECT_EQ(client.response().status, 0) << bytes;
  }
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }));
}

}  // namespace
}  // namespace tessera
