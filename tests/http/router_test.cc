#include "http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(Router, FindsTheMostParticularRoute) {
  const Router router({{"GET", "/", {}},
                       {"GET", "/v1/models", {}},
                       {"GET", "/v1/models/*", {}},
                       {"DELETE", "/v1/models/own", {}},
                       {"GET", "/v1/*", {}},
                       {"POST", "/v1/*", {}}});
  const auto path = [&](const char* method, const char* asked) -> std::string {
    const Router::Match match = router.find(method, asked);
    return match.route == nullptr ? "(" + match.allow + ")" : match.route->path;
  };
  EXPECT_EQ(path("GET", "/"), "/");
  EXPECT_EQ(path("HEAD", "/"), "/");
  EXPECT_EQ(path("GET", "/v1/models"), "/v1/models");
  EXPECT_EQ(path("GET", "/v1/models/a/b"), "/v1/models/*");
  EXPECT_EQ(path("GET", "/v1/other"), "/v1/*");
  EXPECT_EQ(path("POST", "/v1/x/y/z"), "/v1/*");
  EXPECT_EQ(path("GET", "/v1"), "()");
  EXPECT_EQ(path("GET", "/v1/"), "()");
  EXPECT_EQ(path("GET", "/v2/models"), "()");
  EXPECT_EQ(path("POST", "/"), "(GET, HEAD, OPTIONS)");
  EXPECT_EQ(path("GET", "/v1/models/own"), "(DELETE, OPTIONS)");
  EXPECT_EQ(path("get", "/"), "(GET, HEAD, OPTIONS)");
  EXPECT_EQ(path("GET", "*"), "()");
}

TEST(Router, RefusesRoutesThatAreNone) {
  EXPECT_THAT(error_of([] {
                Router(std::vector<Route>{{"GET", "v1", {}}});
              }),
              HasSubstr("found v1"));
  EXPECT_THAT(error_of([] {
                Router(std::vector<Route>{{"GET", "/a", {}}, {"GET", "/a", {}}});
              }),
              HasSubstr("GET /a: found it twice"));
}

}  // namespace
}  // namespace tessera
