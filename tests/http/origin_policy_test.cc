#include "http/origin_policy.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

bool lets_in(const OriginPolicy::Config& config, const char* host, const char* origin = nullptr) {
  HttpRequest request = {.method = "POST", .path = "/", .query = {}, .headers = {{"Host", host}}};
  if (origin != nullptr) request.headers.emplace_back("Origin", origin);
  return error_of([&] { OriginPolicy(config).check(request); }) == "no error";
}

TEST(OriginPolicy, OnLoopbackKnowsItsNames) {
  for (const char* own :
       {"localhost", "LocalHost:8080", "127.0.0.1", "127.1.2.3:1", "[::1]", "[::1]:80"})
    EXPECT_TRUE(lets_in({}, own)) << own;
  for (const char* other : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                            "127evil.example", "[::2]", "[", "::1", "192.168.0.1"})
    EXPECT_FALSE(lets_in({}, other)) << other;
  EXPECT_TRUE(lets_in({.hosts = {"box.example"}}, "box.example:8080"));
}

TEST(OriginPolicy, ElsewhereAnyNameWillDoUnlessTheyAreListed) {
  EXPECT_TRUE(lets_in({.loopback = false}, "any.example"));
  EXPECT_FALSE(lets_in({.loopback = false, .hosts = {"box.example"}}, "any.example"));
  EXPECT_TRUE(lets_in({.loopback = false, .hosts = {"box.example"}}, "box.example"));
}

TEST(OriginPolicy, TakesNothingFromPagesOfOthers) {
  EXPECT_TRUE(lets_in({}, "localhost:80", "http://localhost:80"));
  for (const char* other : {"http://localhost:81", "https://evil.example", "null", "localhost:80"})
    EXPECT_FALSE(lets_in({}, "localhost:80", other)) << other;
  EXPECT_TRUE(lets_in({.origins = {"https://chat.example"}}, "localhost", "https://chat.example"));
  EXPECT_TRUE(lets_in({.asks_for_keys = true}, "any.example", "https://evil.example"));
}

TEST(OriginPolicy, WantsOriginsByName) {
  for (const char* wrong :
       {"*", "chat.example", "https://", "https://a/b", "https://*.example", "ftp://a"})
    EXPECT_NE(error_of([&] { OriginPolicy({.origins = {wrong}}); }), "no error") << wrong;
  for (const char* right : {"https://a", "http://localhost:3000"})
    EXPECT_EQ(error_of([&] { OriginPolicy({.origins = {right}}); }), "no error") << right;
}

}  // namespace
}  // namespace tessera
