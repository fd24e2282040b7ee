#include "http/answer_queue.h"

#include <utility>

#include "http/response_head.h"

namespace tessera {

// Makes a change, and wakes the session if that left it something to do.
template <typename Change>
void AnswerQueue::change(const Change& change) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || state_ == State::kEnded || !change() || woken_) return;
    woken_ = true;
  }
  config_.wake();
}

void AnswerQueue::begin(const HttpResponse& response, bool stream) {
  // RFC 9110, section 8.6: these have no body and say nothing of its length.
  const bool bodiless = response.status == 204 || response.status == 304;
  chunked_ = stream && config_.http11 && !bodiless;
  closes_ = !config_.keep_alive || *config_.closing || (stream && !config_.http11);
  status_ = response.status;
  AnswerFraming framing = {.http11 = config_.http11, .close = closes_, .chunked = chunked_};
  if (!stream && !bodiless) framing.content_length = response.body.size();
  pending_ = response_head(response, config_.headers, framing);
  spared_ = stream && config_.without_body;
  state_ = stream && !bodiless && !config_.without_body ? State::kStreaming : State::kEnded;
  if (stream || bodiless || config_.without_body) return;
  body_bytes_ = response.body.size();
  pending_ += response.body;
}

void AnswerQueue::respond(const HttpResponse& response) {
  change([&] {
    if (state_ != State::kWaiting) return false;
    begin(response, false);
    return true;
  });
}

void AnswerQueue::begin_stream(const HttpResponse& head) {
  change([&] {
    if (state_ != State::kWaiting) return false;
    begin(head, true);
    std::vector<Sent> nobody;
    return state_ == State::kEnded || !send_pending(nobody);
  });
}

// False: too much is pending, and the client is to be dropped.
bool AnswerQueue::append(std::string_view piece) {
  // What is pending already counts, not this piece: one of any size may be sent.
  overflowed_ = pending_.size() + in_flight_ > config_.backlog_bytes;
  if (overflowed_) {
    cut_off_ = true;
    pending_ = {};
    told_pending_ = {};
    woken_ = false;  // the session may be sending, and take nothing until the client fetches more
    return false;
  }
  if (chunked_) {
    pending_ += chunk_of(piece);
  } else {
    pending_ += piece;
  }
  body_bytes_ += piece.size();
  return true;
}

// All that is pending, or as much as may be; true: there is nothing left to do.
bool AnswerQueue::send_pending(std::vector<Sent>& told) {
  if (!config_.send_now || !sends_ || in_flight_ > 0) return false;
  pending_.erase(0, config_.send_now(pending_));
  if (!pending_.empty()) return false;
  told.swap(told_pending_);
  return true;
}

void AnswerQueue::write(std::string_view piece, Sent sent) {
  std::vector<Sent> told;
  change([&] {
    if (state_ != State::kStreaming || piece.empty() || overflowed_) return false;
    if (!append(piece)) return true;
    if (sent) told_pending_.push_back(std::move(sent));
    return !send_pending(told);
  });
  for (const Sent& one : told) one();
}

// The session, which has to go on to the next request anyway, sends what comes with the end.
void AnswerQueue::end_stream(std::string_view last) {
  change([&] {
    if (state_ != State::kStreaming) return false;
    if (!last.empty() && !overflowed_) append(last);
    if (chunked_) pending_ += kLastChunk;
    state_ = State::kEnded;
    return true;
  });
}

void AnswerQueue::abandon(const HttpResponse& instead) {
  change([&] {
    if (state_ == State::kWaiting) {
      begin(instead, false);
    } else {
      cut_off_ = true;
    }
    return true;
  });
}

void AnswerQueue::on_gone(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      if (state_ != State::kEnded) on_gone_ = std::move(callback);
      return;
    }
  }
  callback();
}

AnswerQueue::Taken AnswerQueue::take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  Taken taken = {
      .bytes = std::exchange(pending_, {}), .ended = state_ == State::kEnded, .cut_off = cut_off_};
  in_flight_ += taken.bytes.size();
  for (Sent& one : told_pending_) told_taken_.push_back(std::move(one));
  told_pending_.clear();
  return taken;
}

void AnswerQueue::sent(size_t bytes) {
  std::vector<Sent> told;
  {
    const std::lock_guard lock(mutex_);
    in_flight_ -= bytes;
    if (in_flight_ == 0) told.swap(told_taken_);
  }
  for (const Sent& one : told) one();
}

void AnswerQueue::stop_sending() {
  const std::lock_guard lock(mutex_);
  sends_ = false;
}

void AnswerQueue::client_gone() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    // Who has answered in full is not told, but for a stream that HEAD has spared itself.
    const bool whole = state_ == State::kEnded && !spared_;
    gone_ = gone_ || !whole;
    callback = std::exchange(on_gone_, nullptr);
    if (whole) callback = nullptr;
  }
  if (callback) callback();
}

bool AnswerQueue::closes() const {
  const std::lock_guard lock(mutex_);
  return closes_;
}

bool AnswerQueue::ended() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kEnded;
}

int AnswerQueue::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

uint64_t AnswerQueue::body_bytes() const {
  const std::lock_guard lock(mutex_);
  return body_bytes_;
}

bool AnswerQueue::overflowed() const {
  const std::lock_guard lock(mutex_);
  return overflowed_;
}

}  // namespace tessera
