#include "http/request_reader.h"

#include <gtest/gtest.h>

#include "http/http_errors.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Feeds `bytes` in pieces as a connection does. Returns what is left when the request is whole.
std::string read_in_pieces(RequestReader& reader, std::string_view bytes, size_t piece) {
  std::string input;
  while (true) {
    input.append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    input.erase(0, reader.take(input));
    if (reader.state() == RequestReader::State::kHeadDone) {
      reader.read_body();
      input.erase(0, reader.take(input));
    }
    if (reader.state() == RequestReader::State::kDone || bytes.empty())
      return input + std::string(bytes);
  }
}

TEST(RequestReader, ReadsTheSameInPiecesOfAnySize) {
  const std::string request =
      "\r\nPOST /path?query HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n"
      "Expect: 100-Continue\r\n\r\n3\r\nabc\r\n0a\r\n0123456789\r\n0\r\nContent: late\r\n\r\n";
  for (size_t piece = 1; piece <= request.size() + 10; ++piece) {
    RequestReader reader({});
    EXPECT_EQ(read_in_pieces(reader, request + "GET /next", piece), "GET /next");
    ASSERT_EQ(reader.state(), RequestReader::State::kDone) << piece;
    EXPECT_EQ(reader.body(), "abc0123456789");
    EXPECT_EQ(reader.head().method, "POST");
    EXPECT_EQ(reader.head().target, "/path?query");
    EXPECT_EQ(reader.head().headers.size(), 3U);
    EXPECT_TRUE(reader.head().keep_alive);
    EXPECT_TRUE(reader.head().expects_continue);
    EXPECT_TRUE(reader.has_body());
  }
}

TEST(RequestReader, NeedsNoMemoryForAPromise) {
  RequestReader reader({.body_bytes = uint64_t{1} << 62U});
  EXPECT_EQ(read_in_pieces(reader,
                           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4611686018427387904"
                           "\r\n\r\nabc",
                           1000),
            "");
  EXPECT_EQ(reader.state(), RequestReader::State::kBody);
  EXPECT_EQ(reader.body(), "abc");
  EXPECT_LE(reader.body().capacity(), 2 * kMiB);
}

TEST(RequestReader, SaysWhetherTheConnectionStays) {
  const auto keeps = [](const std::string& rest) {
    RequestReader reader({});
    read_in_pieces(reader, "GET / HTTP/1." + rest + "\r\n\r\n", 1000);
    return reader.head().keep_alive;
  };
  EXPECT_TRUE(keeps("1\r\nHost: h"));
  EXPECT_FALSE(keeps("1\r\nHost: h\r\nConnection: keep-alive, Close"));
  EXPECT_FALSE(keeps("0"));
  EXPECT_TRUE(keeps("0\r\nConnection: Keep-Alive"));
}

TEST(RequestReader, LimitsHoldToTheByte) {
  // 16 bytes of request line, 9 of Host, 2 at the end.
  const auto error = [](size_t header_bytes) {
    return error_of([&] {
      RequestReader reader({.header_bytes = header_bytes});
      read_in_pieces(reader, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1);
    });
  };
  EXPECT_EQ(error(27), "no error");
  EXPECT_EQ(error(26), "the request: headers: expected at most 26 bytes, found more");
}

}  // namespace
}  // namespace tessera
