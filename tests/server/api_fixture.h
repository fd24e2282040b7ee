#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/api.h"
#include "tests/server/ask_route.h"
#include "tests/server/fake_engine.h"

namespace tessera {

/// The whole API in front of a FakeEngine, asked without a network.
class ApiFixture : public testing::Test {
 protected:
  std::shared_ptr<FakeExchange> ask(HttpRequest request) const {
    return ask_route(routes, std::move(request));
  }
  std::shared_ptr<FakeExchange> get(const std::string& path) const {
    return ask({.method = "GET", .path = path, .id = "42"});
  }
  std::shared_ptr<FakeExchange> post(const std::string& path, const std::string& body) const {
    return ask({.method = "POST", .path = path, .body = body, .id = "42", .client = "127.0.0.1"});
  }
  std::shared_ptr<FakeExchange> post(const std::string& path, const Json& body) const {
    return post(path, body.dump());
  }

  /// A chat's body with one message of a user, and these fields.
  static Json chat(const Json& more = Json::object()) {
    Json body = {{"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})}};
    body.update(more);
    return body;
  }
  /// Asked and answered.
  std::shared_ptr<FakeExchange> answered_chat(const Json& more = Json::object()) {
    const auto exchange = post(kChat, chat(more));
    engine.finish();
    return exchange;
  }
  std::shared_ptr<FakeExchange> answered_completion(const Json& body) {
    const auto exchange = post(kCompletions, body);
    engine.finish();
    return exchange;
  }

  static constexpr const char* kChat = "/v1/chat/completions";
  static constexpr const char* kCompletions = "/v1/completions";

  FakeEngine engine;
  Api api{engine, {.version = "1.2", .model_aliases = {"alias"}}};
  std::vector<Route> routes = api.routes();
};

/// "400 PARAM CODE" of an error's response.
inline std::string refusal(const FakeExchange& exchange) {
  const Json error = exchange.json().at("error");
  const auto text = [&](const char* key) {
    return error.at(key).is_null() ? std::string("-") : error.at(key).get<std::string>();
  };
  return std::to_string(exchange.response().status) + " " + text("param") + " " + text("code");
}

}  // namespace tessera
