#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/http_server.h"

namespace tessera {

using ExchangePtr = std::shared_ptr<Exchange>;

/// Exchanges that a handler has left for the test to answer.
class KeptExchanges {
 public:
  void keep(const ExchangePtr& exchange) {
    {
      const std::lock_guard lock(mutex_);
      kept_.push_back(exchange);
    }
    came_.notify_all();
  }
  /// The next one; null after ten seconds.
  ExchangePtr next() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::seconds(10), [&] { return !kept_.empty(); }))
      return nullptr;
    ExchangePtr first = kept_.front();
    kept_.erase(kept_.begin());
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<ExchangePtr> kept_;
};

/// Waits, and looks now and then.
inline bool becomes_true(const std::function<bool()>& condition, double timeout_s = 10) {
  const double deadline = now_s() + timeout_s;
  while (!condition()) {
    if (now_s() > deadline) return false;
    sleep_until_s(now_s() + 0.002);
  }
  return true;
}

/// A server with a few routes, and what it logs.
class ExampleServer {
 public:
  explicit ExampleServer(HttpServerOptions options = {}, std::vector<Route> more = {}) {
    options.port = 0;
    options.log = [this](LogLevel, std::string_view line) { add(events_, line); };
    if (!options.access_log)
      options.access_log = [this](std::string_view line) { add(accesses_, line); };
    std::vector<Route> routes = {
        {"GET", "/hello", [](const ExchangePtr& e) { e->respond({.body = "hello"}); }},
        {"GET", "/open", [](const ExchangePtr& e) { e->respond({.body = "open"}); }, true},
        {"GET", "/user", [](const ExchangePtr& e) { e->respond({.body = e->request().user}); }},
        {"POST", "/echo", [](const ExchangePtr& e) { e->respond({.body = e->request().body}); }},
        {"GET", "/kept", [this](const ExchangePtr& e) { kept.keep(e); }},
        {"POST", "/kept", [this](const ExchangePtr& e) { kept.keep(e); }},
        {"GET", "/below/*", [](const ExchangePtr& e) { e->respond({.body = e->request().path}); }}};
    for (Route& route : more) routes.push_back(std::move(route));
    server = std::make_unique<HttpServer>(std::move(options), std::move(routes));
  }

  int port() const { return server->port(); }
  bool logs(const std::string& text) {
    return becomes_true([&] { return has(events_, text); });
  }
  bool logs_access(const std::string& text) {
    return becomes_true([&] { return has(accesses_, text); });
  }
  std::string accesses() {
    const std::lock_guard lock(mutex_);
    return accesses_;
  }

  KeptExchanges kept;

 private:
  void add(std::string& to, std::string_view line) {
    const std::lock_guard lock(mutex_);
    to.append(line).append("\n");
  }
  bool has(const std::string& lines, const std::string& text) {
    const std::lock_guard lock(mutex_);
    return lines.find(text) != std::string::npos;
  }

  std::mutex mutex_;
  std::string events_, accesses_;

 public:
  std::unique_ptr<HttpServer> server;  // last: ends first
};

}  // namespace tessera
