// The life of a connection, and the bytes that go out.

#include <utility>

#include "base/clock.h"
#include "base/units.h"
#include "http/http_session.h"
#include "http/http_session_kept.h"

namespace tessera {

HttpSession::HttpSession(std::shared_ptr<HttpShared> shared, std::shared_ptr<IoThread> thread,
                         std::shared_ptr<Connection> connection, ClientAddress client)
    : shared_(std::move(shared)),
      thread_(std::move(thread)),
      connection_(std::move(connection)),
      client_(std::move(client)),
      timer_(*thread_),
      write_timer_(*thread_) {}

HttpSession::~HttpSession() {
  shared_->clients.leave(client_.network);
}

void HttpSession::start() {
  handshake(std::nullopt);
}

void HttpSession::refuse_client(const HttpError& error) {
  handshake(error);
}

void HttpSession::handshake(std::optional<HttpError> refusal) {
  self_ = shared_from_this();
  timer_.start(shared_->limits.handshake_s, kept([this] { close(); }));
  connection_->handshake(kept([this, refusal = std::move(refusal)](bool ok, size_t) {
    if (!ok || phase_ == Phase::kClosed) return close();
    begin_request();
    if (refusal && phase_ == Phase::kIdle) refuse(*refusal);
    read_more();
  }));
}

void HttpSession::drain() {
  if (phase_ == Phase::kHandshake) return close();
  if (phase_ == Phase::kIdle && input_.empty()) end_connection();
}

void HttpSession::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  timer_.cancel();
  write_timer_.cancel();
  if (answer_) answer_->stop_sending();
  connection_->close();
  const std::shared_ptr<HttpSession> last = std::move(self_);
  if (!answer_) return;
  const std::shared_ptr<AnswerQueue> answer = answer_;
  log_request(false);
  answer_ = nullptr;
  answer->client_gone();
}

// The client is told that this was all, and has a moment to read it: closed at once, with something
// of its own still unread here, it would lose the answer (RFC 9112, section 9.6).
void HttpSession::end_connection() {
  if (input_ended_) return close();
  phase_ = Phase::kLingering;
  input_ = {};
  connection_->finish_writing();
  timer_.start(shared_->limits.linger_s, kept([this] { close(); }));
  read_more();
}

void HttpSession::on_wake() {
  if (!answer_) return;
  if (answer_->overflowed()) {
    if (shared_->log)
      shared_->log(LogLevel::kInfo,
                   "server: " + client_.text + " is dropped: it fetches nothing of " + entry_.id +
                       ", and more than " + format_bytes(shared_->limits.backlog_bytes) + " wait");
    return close();
  }
  flush();
}

// Sends all that has gathered.
void HttpSession::flush() {
  if (!answer_ || writing_) return;
  AnswerQueue::Taken taken = answer_->take();
  if (!taken.bytes.empty()) {
    out_ = std::move(taken.bytes);
    out_is_answer_ = true;
    return write_out();
  }
  if (taken.cut_off) return close();
  if (taken.ended) finish_answer();
}

void HttpSession::write_out() {
  writing_ = true;
  if (!write_timer_.running())
    write_timer_.start(shared_->limits.write_s, kept([this] { check_write_rate(); }));
  connection_->write(std::string_view(out_).substr(out_sent_), kept([this](bool ok, size_t bytes) {
                       writing_ = false;
                       if (!ok || phase_ == Phase::kClosed) return close();
                       if (out_is_answer_ && answer_) answer_->sent(bytes);
                       out_sent_ += bytes;
                       if (out_sent_ < out_.size()) return write_out();
                       write_timer_.cancel();
                       out_ = {};
                       out_sent_ = out_seen_ = 0;
                       flush();
                     }));
}

// The connection lives as long as this, and is closed only after stop_sending(). None while "100
// Continue" is on its way, which stands before the answer.
std::function<size_t(std::string_view)> HttpSession::direct_sender() const {
  if (writing_) return nullptr;
  return [connection = connection_.get()](std::string_view bytes) {
    return connection->write_now(bytes);
  };
}

void HttpSession::check_write_rate() {
  const auto accepted = static_cast<double>(out_sent_ - out_seen_);
  if (accepted < shared_->limits.write_s * shared_->limits.write_bytes_per_s) return close();
  out_seen_ = out_sent_;
  write_timer_.start(shared_->limits.write_s, kept([this] { check_write_rate(); }));
}

void HttpSession::finish_answer() {
  const bool ends = close_after_ || answer_->closes() || input_ended_;
  const std::shared_ptr<AnswerQueue> answer = answer_;
  log_request(true);
  answer_ = nullptr;
  answer->client_gone();
  if (ends) return end_connection();
  begin_request();
  advance();
  read_more();
}

void HttpSession::log_request(bool complete) {
  const int status = answer_->status();
  entry_.status = status == 0 ? 499 : status;
  entry_.bytes = answer_->body_bytes();
  entry_.ms = 1e3 * (now_s() - begin_s_);
  entry_.complete = complete;
  shared_->access_log.add(std::move(entry_));
}

}  // namespace tessera
