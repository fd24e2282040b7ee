#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/http.h"

namespace tessera {

/// One answer on its way from the threads that make it to the one that sends it. Those put in
/// whole responses or pieces, and are told when the client is gone; this one takes out bytes as
/// they go over the wire, all that have gathered at once. The head or a piece of a stream with
/// nothing in front of it goes out from the thread that puts it in, as far as the system takes it
/// without a wait.
class AnswerQueue {
 public:
  struct Config {
    bool http11 = true;         ///< what the client speaks
    bool keep_alive = true;     ///< the client would have the connection stay
    bool without_body = false;  ///< HEAD
    HttpHeaders headers = {};   ///< beside the response's own
    size_t backlog_bytes = 0;   ///< that a stream may have pending
    std::shared_ptr<const std::atomic<bool>> closing;  ///< the server takes no more requests
    /// Brings about a take(); called from any thread, and not again before that take() unless too
    /// much is pending.
    std::function<void()> wake;
    /// Hands bytes of a stream over without waiting, and says how many; not while some are taken
    /// and not sent, nor after stop_sending(). May be null: take() has all of them then.
    std::function<size_t(std::string_view)> send_now = nullptr;
  };
  using Sent = std::function<void()>;
  explicit AnswerQueue(Config config) : config_(std::move(config)) {}

  // From any thread; see Exchange.
  void respond(const HttpResponse& response);
  void begin_stream(const HttpResponse& head);
  void write(std::string_view piece, Sent sent = nullptr);
  void end_stream(std::string_view last = {});
  void on_gone(std::function<void()> callback);
  /// Nobody will put in any more: an answer that has not begun becomes this one, a stream that has
  /// not ended is cut off, so that the client does not take it for whole.
  void abandon(const HttpResponse& instead);

  // From the session's thread.
  struct Taken {
    std::string bytes;
    bool ended = false;    ///< these are the last
    bool cut_off = false;  ///< the connection must end at once
  };
  Taken take();
  void sent(size_t bytes);  ///< of those taken
  void stop_sending();      ///< the connection is about to close
  void client_gone();       ///< or has all that it will get
  bool closes() const;      ///< the connection ends with this answer
  bool ended() const;
  int status() const;  ///< 0 before it has begun
  uint64_t body_bytes() const;
  bool overflowed() const;

 private:
  enum class State { kWaiting, kStreaming, kEnded };

  void begin(const HttpResponse& response, bool stream);
  bool append(std::string_view piece);
  template <typename Change>
  void change(const Change& change);
  bool send_pending(std::vector<Sent>& told);

  const Config config_;
  mutable std::mutex mutex_;
  State state_ = State::kWaiting;
  std::string pending_;
  size_t in_flight_ = 0;                         // taken and not sent
  std::vector<Sent> told_pending_, told_taken_;  // once those bytes are sent
  bool sends_ = true;
  bool woken_ = false, gone_ = false, cut_off_ = false, overflowed_ = false;
  bool chunked_ = false, closes_ = false, spared_ = false;
  int status_ = 0;
  uint64_t body_bytes_ = 0;
  std::function<void()> on_gone_;
};

}  // namespace tessera
