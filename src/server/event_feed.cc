#include "server/event_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "http/http_errors.h"
#include "server/event_text.h"

namespace tessera {

struct EventFeed::Listeners {
  explicit Listeners(size_t max_in) : max(max_in) {}

  const size_t max;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<std::shared_ptr<Exchange>> all;
  bool closed = false;

  void add(const std::shared_ptr<Exchange>& exchange) {
    const std::lock_guard lock(mutex);
    if (closed)
      throw HttpError({.status = 503, .code = "stopping"},
                      {.where = "/v1/events", .what = "the server is stopping"});
    if (all.size() >= max)
      throw HttpError(
          {.status = 503, .code = "too_many_listeners", .headers = {{"Retry-After", "10"}}},
          {.where = "/v1/events",
           .expected = fmt::format("at most {} listeners", max),
           .found = "one more"});
    exchange->begin_stream(event_stream_head());  // before the thread can write to it
    all.push_back(exchange);
    changed.notify_all();
  }
  void remove(const Exchange* exchange) {
    std::shared_ptr<Exchange> removed;  // dropped outside the lock
    const std::lock_guard lock(mutex);
    const auto it = std::find_if(all.begin(), all.end(),
                                 [&](const auto& other) { return other.get() == exchange; });
    if (it == all.end()) return;
    removed = std::move(*it);
    all.erase(it);
  }
  std::vector<std::shared_ptr<Exchange>> close() {
    const std::lock_guard lock(mutex);
    closed = true;
    return std::exchange(all, {});
  }
  std::vector<std::shared_ptr<Exchange>> copy() const {
    const std::lock_guard lock(mutex);
    return all;
  }
};

EventFeed::EventFeed(std::function<std::string()> next, double period_s, size_t max_listeners)
    : next_(std::move(next)),
      period_s_(period_s),
      listeners_(std::make_shared<Listeners>(max_listeners)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EventFeed::~EventFeed() {
  stop();
}

void EventFeed::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  for (const auto& exchange : listeners_->close()) exchange->end_stream();
}

void EventFeed::add(const std::shared_ptr<Exchange>& exchange) {
  listeners_->add(exchange);
  // Not the exchange itself, which would hold its own callback and so never end.
  exchange->on_gone(
      [listeners = listeners_, exchange = exchange.get()] { listeners->remove(exchange); });
}

size_t EventFeed::listeners() const {
  return listeners_->copy().size();
}

void EventFeed::send() {
  try {
    const std::string event = "data: " + next_() + "\n\n";
    for (const auto& exchange : listeners_->copy()) exchange->write(event);
  } catch (const std::exception&) {
    // Out of memory: nobody hears of this moment, and the next one is soon.
  }
}

void EventFeed::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(listeners_->mutex);
      listeners_->changed.wait(lock, stop, [&] { return !listeners_->all.empty(); });
    }
    if (stop.stop_requested()) return;
    send();
    std::unique_lock lock(listeners_->mutex);
    listeners_->changed.wait_for(lock, stop, std::chrono::duration<double>(period_s_),
                                 [] { return false; });
  }
}

}  // namespace tessera
