// The API in front of a real engine on emulated GPUs, one of which is lost while it serves.

#include <gmock/gmock.h>

#include <algorithm>

#include "base/units.h"
#include "cuda_emulator/control.h"
#include "server/api.h"
#include "tests/server/fake_exchange.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class LostCard : public testing::Test {
 protected:
  LostCard() {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = 3;
    machine.gpu_bytes = 64 * kMiB;
    machine.kernels_seen = false;
    set_up_emulated_machine(machine);
  }
  ~LostCard() override { mend_emulated_machine(); }

  static std::shared_ptr<FakeExchange> ask(const std::vector<Route>& routes, HttpRequest request) {
    const auto route = std::ranges::find_if(routes, [&](const Route& one) {
      return one.method == request.method && one.path == request.path;
    });
    const auto exchange = std::make_shared<FakeExchange>(std::move(request));
    try {
      route->handler(exchange);
    } catch (...) {
      exchange->respond(response_to(std::current_exception()));
    }
    exchange->wait();
    return exchange;
  }
};

TEST_F(LostCard, ReadinessNamesItAndRequestsEndWithTheReason) {
  const auto engine = Engine::create({.model_path = std::string(TESSERA_GOLDEN_DIR) + "/llama_tiny",
                                      .devices = "3xcuda@4MiB",
                                      .precision = "f32",
                                      .sequences = 2});
  Api api(*engine);
  const std::vector<Route> routes = api.routes();
  const auto get = [&](const char* path) { return ask(routes, {.method = "GET", .path = path}); };
  const auto complete = [&] {
    return ask(routes, {.method = "POST",
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
