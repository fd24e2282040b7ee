#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "http/http.h"
#include "http/http_errors.h"

namespace tessera {

/// A request that comes from nowhere, and keeps what it is answered. Any thread.
class FakeExchange : public Exchange {
  template <typename Get>
  auto locked(const Get& get) const {
    const std::lock_guard lock(mutex_);
    return get();
  }

 public:
  explicit FakeExchange(HttpRequest request) : request_(std::move(request)) {}

  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override {
    const std::lock_guard lock(mutex_);
    calls_ += "r";
    response_ = std::move(response);
    end();
  }
  void begin_stream(HttpResponse head) override {
    const std::lock_guard lock(mutex_);
    calls_ += "b";
    response_ = std::move(head);
    streamed_ = true;
  }
  using Exchange::write;
  void write(std::string piece, std::function<void()> sent) override {
    const std::lock_guard lock(mutex_);
    if (!calls_.ends_with('w')) calls_ += "w";
    if (!gone_) pieces_.push_back(std::move(piece));
    if (!gone_ && sent) sent();
    changed_.notify_all();
  }
  using Exchange::end_stream;
  void end_stream(std::string last) override {
    const std::lock_guard lock(mutex_);
    calls_ += "e";
    if (!gone_ && !last.empty()) pieces_.push_back(std::move(last));
    end();
  }
  void on_gone(std::function<void()> callback) override {
    std::unique_lock lock(mutex_);
    if (!gone_) {
      on_gone_ = std::move(callback);
      return;
    }
    lock.unlock();
    callback();
  }

  /// The client goes away.
  void leave() {
    std::function<void()> callback;
    {
      const std::lock_guard lock(mutex_);
      gone_ = true;
      callback = std::exchange(on_gone_, {});
    }
    if (callback) callback();
  }

  // What came back.
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
  }
  void wait_for_pieces(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pieces_.size() >= count; });
  }
  bool ended() const {
    return locked([&] { return ended_; });
  }
  bool streamed() const {
    return locked([&] { return streamed_; });
  }
  size_t pieces() const {
    return locked([&] { return pieces_.size(); });
  }
  HttpResponse response() const {
    return locked([&] { return response_; });
  }
  std::string calls() const {
    return locked([&] { return calls_; });
  }  ///< "r", "bwe"
  Json json() const { return Json::parse(response().body); }
  std::string body() const {
    return locked([&] {
      std::string all;
      for (const std::string& piece : pieces_) all += piece;
      return all;
    });
  }
  /// The data of each event. A stream that is not made of "data: ...\n\n" gives an empty list.
  std::vector<std::string> events() const {
    std::vector<std::string> events;
    const std::string all = body();
    for (size_t at = 0; at < all.size();) {
      const size_t end = all.find("\n\n", at);
      if (end == all.npos || all.compare(at, 6, "data: ") != 0) return {};
      events.push_back(all.substr(at + 6, end - at - 6));
      at = end + 2;
    }
    return events;
  }

 private:
  void end() {
    ended_ = true;
    on_gone_ = {};
    changed_.notify_all();
  }

  const HttpRequest request_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  HttpResponse response_;
  std::vector<std::string> pieces_;
  std::function<void()> on_gone_;
  std::string calls_ = {};
  bool streamed_ = false, ended_ = false, gone_ = false;
};

}  // namespace tessera
