// The requests of a connection, from their first byte to their handler.

#include "http/http_session.h"

#include <fmt/format.h>

#include <chrono>
#include <new>
#include <utility>

#include "base/clock.h"
#include "http/http_exchange.h"
#include "http/http_session_kept.h"
#include "http/request_id.h"
#include "http/request_target.h"

namespace tessera {
namespace {

// A client may send its next requests while this one is answered; not without end.
constexpr size_t kMaxReadAhead = 64 * kKiB;

int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

HttpError too_slow(const char* what, std::string expected, std::string found) {
  return {{.status = 408},
          {.where = "the request",
           .what = what,
           .expected = std::move(expected),
           .found = std::move(found)}};
}

HttpError no_memory() {
  return {{.status = 503, .headers = {{"Retry-After", "1"}}},
          {.where = "the server", .what = "out of host memory"}};
}

HttpError unknown_key(bool given) {
  return {{.status = 401,
           .code = "invalid_api_key",
           .headers = {{"WWW-Authenticate", "Bearer, Basic realm=\"tessera\""}}},
          {.where = "the Authorization header",
           .expected = "\"Bearer\" and a key of this server",
           .found = given ? "another key" : "none"}};
}

HttpError unknown_path(const HttpRequest& request, const std::string& allow) {
  if (allow.empty())
    return {{.status = 404, .code = "unknown_url"},
            {.where = "the request's URL", .what = "nothing is here", .found = request.path}};
  return {{.status = 405, .code = "method_not_supported", .headers = {{"Allow", allow}}},
          {.where = request.path, .what = "method", .expected = allow, .found = request.method}};
}

}  // namespace

void HttpSession::begin_request() {
  if (*shared_->closing) return end_connection();
  reader_ = std::make_unique<RequestReader>(shared_->limits);
  request_ = {};
  route_ = nullptr;
  body_share_.emplace(shared_->bodies);
  entry_ = {};
  head_read_ = close_after_ = false;
  phase_ = Phase::kIdle;
  timer_.start(first_ ? shared_->limits.header_s : shared_->limits.idle_s,
               kept([this] { end_connection(); }));
  first_ = false;
}

void HttpSession::read_more() {
  if (reading_ || input_ended_ || phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kAnswering && input_.size() >= kMaxReadAhead) return;
  reading_ = true;
  connection_->read(buffer_, kept([this](bool ok, size_t bytes) {
                      reading_ = false;
                      on_read(ok, bytes);
                    }));
}

void HttpSession::on_read(bool ok, size_t bytes) {
  if (phase_ == Phase::kClosed) return;
  if (!ok) return on_end_of_input();
  if (phase_ != Phase::kLingering) {
    input_.append(buffer_.data(), bytes);
    advance();
  }
  read_more();
}

void HttpSession::on_end_of_input() {
  input_ended_ = true;
  // What has been answered in full already is still sent.
  if (phase_ != Phase::kAnswering || !answer_->ended()) close();
}

void HttpSession::advance() {
  try {
    advance_request();
  } catch (const HttpError& error) {
    refuse(error);
  } catch (const std::bad_alloc&) {
    input_ = {};
    refuse(no_memory());
  }
}

void HttpSession::advance_request() {
  while (!input_.empty() &&
         (phase_ == Phase::kIdle || phase_ == Phase::kHead || phase_ == Phase::kBody)) {
    const size_t took = reader_->take(input_);
    input_.erase(0, took);
    if (reader_->state() == RequestReader::State::kEmpty) return;
    if (phase_ == Phase::kIdle) {
      phase_ = Phase::kHead;
      begin_s_ = now_s();
      entry_.time_ms = wall_clock_ms();
      entry_.client = client_.text;
      timer_.start(
          shared_->limits.header_s, kept([this] {
            refuse(too_slow("headers",
                            fmt::format("all of them within {} s", shared_->limits.header_s),
                            "not yet the last"));
          }));
    }
    if (reader_->state() == RequestReader::State::kHeadDone) {
      accept_head();
    } else if (reader_->state() == RequestReader::State::kBody) {
      watch_body();
    }
    if (phase_ == Phase::kBody && reader_->state() == RequestReader::State::kDone) dispatch();
    if (took == 0) return;
  }
}

void HttpSession::accept_head() {
  head_read_ = true;
  RequestHead& head = reader_->head();
  request_.method = entry_.method = head.method;
  request_.headers = std::move(head.headers);
  request_.client = client_.text;
  request_.id = entry_.id = request_id_from(request_.header("X-Request-Id"));
  RequestTarget target = parse_request_target(head.target);
  request_.path = entry_.path = std::move(target.path);
  request_.query = std::move(target.query);

  shared_->origins.check(request_);
  const Router::Match match = shared_->router.find(request_.method, request_.path);
  route_ = match.route;
  const bool preflight = shared_->origins.is_preflight(request_);
  if (!shared_->keys.empty() && !preflight && !(route_ != nullptr && route_->open_to_all)) {
    const std::string key = presented_key(request_.header("Authorization"));
    const auto owner = shared_->keys.owner(key);
    if (!owner) throw unknown_key(!key.empty());
    request_.user = entry_.user = *owner;
  }
  if (route_ == nullptr && request_.method == "OPTIONS" &&
      (!match.allow.empty() || request_.path == "*")) {
    HttpResponse answer = preflight ? shared_->origins.answer_preflight(request_, match.allow)
                                    : HttpResponse{.status = 204, .content_type = ""};
    answer.headers.emplace_back("Allow",
                                match.allow.empty() ? "GET, HEAD, POST, OPTIONS" : match.allow);
    close_after_ = reader_->has_body();
    make_answer();
    return answer_->respond(answer);
  }
  if (route_ == nullptr) throw unknown_path(request_, match.allow);

  reader_->read_body();
  phase_ = Phase::kBody;
  body_seen_ = 0;
  if (!reader_->has_body()) return;
  timer_.start(shared_->limits.body_s, kept([this] { check_body_rate(); }));
  if (head.expects_continue && input_.empty() && !writing_) {
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    out_is_answer_ = false;
    write_out();
  }
}

void HttpSession::watch_body() {
  if (body_share_->grow_to(reader_->body().size())) return;
  throw HttpError({.status = 503, .headers = {{"Retry-After", "1"}}},
                  {.where = "the server",
                   .what = "bodies of all requests together",
                   .expected = fmt::format("at most {} bytes", shared_->limits.bodies_bytes),
                   .found = "more"});
}

void HttpSession::check_body_rate() {
  const HttpLimits& limits = shared_->limits;
  const uint64_t came = reader_->body().size() - body_seen_;
  if (static_cast<double>(came) < limits.body_s * limits.body_bytes_per_s)
    return refuse(too_slow("body", fmt::format("{} bytes/s", limits.body_bytes_per_s),
                           fmt::format("{:.0f} bytes/s over {} s",
                                       static_cast<double>(came) / limits.body_s, limits.body_s)));
  body_seen_ = reader_->body().size();
  timer_.start(limits.body_s, kept([this] { check_body_rate(); }));
}

void HttpSession::dispatch() {
  request_.body = std::move(reader_->body());
  make_answer();
  const auto exchange =
      std::make_shared<HttpExchange>(std::move(request_), answer_, std::move(*body_share_));
  // Whoever asks whether the server lives must not hear "no" because it is busy.
  const bool taken = shared_->handlers.submit(
      [exchange, shared = shared_, route = route_] {
        run_handler(route->handler, exchange, shared->log);
      },
      route_->open_to_all);
  if (taken) return;
  const HttpError full({.status = 503, .headers = {{"Retry-After", "1"}}},
                       {.where = "the server",
                        .what = "requests that wait for a worker",
                        .expected = fmt::format("at most {}", shared_->limits.waiting_for_a_worker),
                        .found = "more"});
  answer_->respond(error_response(full.kind(), full));
}

void HttpSession::refuse(const HttpError& error) {
  if (entry_.time_ms == 0) {  // before its first byte
    begin_s_ = now_s();
    entry_.time_ms = wall_clock_ms();
    entry_.client = client_.text;
  }
  if (request_.id.empty()) request_.id = entry_.id = request_id_from("");
  // After a body that is left unread, or may not be one, nothing on this connection makes sense.
  close_after_ = !head_read_ || reader_->has_body();
  make_answer();
  answer_->respond(error_response(error.kind(), error));
}

void HttpSession::make_answer() {
  phase_ = Phase::kAnswering;
  timer_.cancel();
  HttpHeaders headers = shared_->origins.headers_for(request_);
  headers.emplace_back("X-Request-Id", request_.id);
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  const RequestHead& head = reader_->head();
  if (answer_) answer_->stop_sending();
  answer_ = std::make_shared<AnswerQueue>(
      AnswerQueue::Config{.http11 = head.http11,
                          .keep_alive = head.keep_alive && !close_after_,
                          .without_body = head.method == "HEAD",
                          .headers = std::move(headers),
                          .backlog_bytes = shared_->limits.backlog_bytes,
                          .closing = shared_->closing,
                          .wake =
                              [session = weak_from_this(), thread = thread_] {
                                thread->post([session] {
                                  if (const auto alive = session.lock()) alive->on_wake();
                                });
                              },
                          .send_now = direct_sender()});
}

}  // namespace tessera
