// The API in front of a real engine on emulated GPUs, one of which is lost while it serves.

#include <gmock/gmock.h>

#include <algorithm>

#include "server/api.h"
#include "tests/runtime/emulated_engine_fixture.h"
#include "tests/server/ask_route.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using LostCard = CudaEngine;

TEST_F(LostCard, ReadinessNamesItAndRequestsEndWithTheReason) {
  set_up({.bytes = 64 * kMiB});
  const auto engine = Engine::create({.model_path = golden_dir(kText.checkpoint),
                                      .devices = "3xcuda@4MiB",
                                      .precision = "f32",
                                      .sequences = 2});
  Api api(*engine);
  const std::vector<Route> routes = api.routes();
  const auto ask = [&](HttpRequest request) {
    const auto exchange = ask_route(routes, std::move(request));
    exchange->wait();
    return exchange;
  };
  const auto get = [&](const char* path) { return ask({.method = "GET", .path = path}); };
  const auto complete = [&] {
    return ask({.method = "POST",
                .path = "/v1/completions",
                .body = R"({"prompt": "one two", "max_tokens": 4, "temperature": 0})",
                .client = "127.0.0.1"});
  };
  EXPECT_EQ(complete()->response().status, 200);
  EXPECT_EQ(get("/health/ready")->response().status, 200);

  const std::vector<DeviceReport> devices = engine->devices();
  const auto used = std::ranges::find_if(
      devices, [](const DeviceReport& device) { return device.last_layer >= device.first_layer; });
  ASSERT_NE(used, devices.end());
  break_emulated_gpu(static_cast<int>(used - devices.begin()), cudaErrorECCUncorrectable);
  const auto failed = complete();
  EXPECT_EQ(failed->response().status, 500);
  EXPECT_THAT(failed->response().body, AllOf(HasSubstr(used->name), HasSubstr("ECC")));

  const auto ready = get("/health/ready");
  EXPECT_EQ(ready->response().status, 503);
  EXPECT_THAT(ready->response().body, AllOf(HasSubstr(used->name), HasSubstr("ECC")));
  EXPECT_EQ(complete()->response().status, 503);
  EXPECT_EQ(get("/health/live")->response().status, 200);
}

}  // namespace
}  // namespace tessera
