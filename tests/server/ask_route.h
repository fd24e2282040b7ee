#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/http.h"
#include "tests/server/fake_exchange.h"

namespace tessera {

/// The route for this path, as the server finds it; null: none.
inline const Route* find_route(const std::vector<Route>& routes, const std::string& method,
                               const std::string& path) {
  for (const Route& route : routes) {
    const bool below = route.path.ends_with("/*") && path.size() > route.path.size() - 1 &&
                       path.starts_with(route.path.substr(0, route.path.size() - 1));
    if (route.method == method && (route.path == path || below)) return &route;
  }
  return nullptr;
}

/// Hands the request to its handler; what that throws becomes the response, as in the server.
inline std::shared_ptr<FakeExchange> ask_route(const std::vector<Route>& routes,
                                               HttpRequest request) {
  const Route* const route = find_route(routes, request.method, request.path);
  auto exchange = std::make_shared<FakeExchange>(std::move(request));
  if (route == nullptr) {
    ADD_FAILURE() << "no route for " << exchange->request().path;
    return exchange;
  }
  try {
    route->handler(exchange);
  } catch (...) {
    exchange->respond(response_to(std::current_exception()));
  }
  return exchange;
}

}  // namespace tessera
