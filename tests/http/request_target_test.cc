#include "http/request_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/ascii.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

std::string parsed(std::string_view target) {
  std::string result;
  const std::string error = error_of([&] {
    const RequestTarget parsed = parse_request_target(target);
    result = parsed.path + " ? " + parsed.query;
  });
  return error == "no error" ? result : "error";
}

TEST(RequestTarget, IsPathAndQuery) {
  EXPECT_EQ(parsed("/"), "/ ? ");
  EXPECT_EQ(parsed("/a/b?c=d?e%20"), "/a/b ? c=d?e%20");
  EXPECT_EQ(parsed("/%41%2f%e2%82%ac"), "/A/\xE2\x82\xAC ? ");
  EXPECT_EQ(parsed("HTTP://host:80/a?b"), "/a ? b");
  EXPECT_EQ(parsed("https://host"), "/ ? ");
  EXPECT_EQ(parsed("https://host?a"), "/ ? a");
  EXPECT_EQ(parsed("*"), "* ? ");
}

TEST(RequestTarget, IsRefusedWhenItIsNoPath) {
  for (const char* wrong : {"a", "ftp://host/", "host:80", "/%", "/%4", "/%4g", "/%00", "/%1f",
                            "/%7f", "/%ff", "/%c0%af", "/%ed%a0%80", "**", "%2fa"})
    EXPECT_EQ(parsed(wrong), "error") << wrong;
}

TEST(Utf8, IsWhatRfc3629Allows) {
  for (const char* right : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                            "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(right));
  for (const char* wrong :
       {"\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"})
    EXPECT_FALSE(is_utf8(wrong));
}

}  // namespace
}  // namespace tessera
