#include "http/http_errors.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "tessera/serving.h"

namespace tessera {
namespace {

template <typename Thrown>
HttpResponse response_for(const Thrown& thrown) {
  return response_to(std::make_exception_ptr(thrown));
}

TEST(HttpErrors, HaveTheShapeThatOpenAisClientsRead) {
  const HttpResponse response = response_for(HttpError(
      {.status = 404, .code = "model_not_found", .param = "model"},
      {.where = "request", .what = "model", .expected = "a", .found = "b\xff", .hint = "c"}));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.content_type, "application/json");
  const Json error = Json::parse(response.body)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["code"], "model_not_found");
  EXPECT_EQ(error["param"], "model");
  EXPECT_EQ(error["where"], "request");
  EXPECT_EQ(error["what"], "model");
  EXPECT_EQ(error["expected"], "a");
  EXPECT_EQ(error["found"], "b\xEF\xBF\xBD");
  EXPECT_EQ(error["hint"], "c");
  EXPECT_TRUE(
      error["message"].get<std::string>().starts_with("request: model: expected a, found b"));
}

TEST(HttpErrors, EachHasItsStatus) {
  EXPECT_EQ(response_for(Error({.what = "wrong"})).status, 400);
  EXPECT_EQ(response_for(UsageError({.what = "wrong"})).status, 400);
  const HttpResponse busy = response_for(Busy({.what = "many wait"}, 2.3));
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.headers, (HttpHeaders{{"Retry-After", "3"}}));
  EXPECT_EQ(Json::parse(busy.body)["error"]["type"], "rate_limit_error");
  EXPECT_EQ(response_for(std::bad_alloc()).status, 503);
  const HttpResponse own = response_for(std::runtime_error("secret"));
  EXPECT_EQ(own.status, 500);
  EXPECT_EQ(Json::parse(own.body)["error"]["type"], "server_error");
  EXPECT_EQ(own.body.find("secret"), std::string::npos);
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

}  // namespace
}  // namespace tessera
