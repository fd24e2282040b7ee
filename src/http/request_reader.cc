#include "http/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>
#include <utility>

#include "base/units.h"
#include "http/head_checks.h"
#include "http/http_errors.h"

namespace tessera {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

std::string to_text(string_view view) {
  return {view.data(), view.size()};
}

[[noreturn]] void refuse_syntax(const error_code& error) {
  throw HttpError({.status = 400},
                  {.where = "the request", .expected = "HTTP/1.1", .found = error.message()});
}

}  // namespace

// Beast's parser, which calls back with what it has found.
class RequestReader::Parser : public beast::http::basic_parser<true> {
 public:
  explicit Parser(RequestReader& reader) : reader_(reader) {
    header_limit(static_cast<uint32_t>(reader.limits_.header_bytes));
    body_limit(std::numeric_limits<uint64_t>::max());  // ours tell more, and later: after the key
  }

 private:
  void on_request_impl(beast::http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    if (target.size() > reader_.limits_.target_bytes) reader_.refuse_long_head(true);
    reader_.head_.method = to_text(method);
    reader_.head_.target = to_text(target);
    reader_.head_.http11 = version == 11;
  }

  void on_field_impl(beast::http::field, string_view name, string_view value,
                     error_code&) override {
    // Those behind a chunked body come too late to be looked at.
    if (reader_.state_ == State::kBody) return;
    if (reader_.head_.headers.size() == reader_.limits_.headers)
      throw HttpError({.status = 431},
                      {.where = "the request",
                       .what = "headers",
                       .expected = fmt::format("at most {}", reader_.limits_.headers),
                       .found = "more"});
    reader_.head_.headers.emplace_back(to_text(name), to_text(value));
  }

  void on_header_impl(error_code&) override {}

  void on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) override {
    // A promise costs nothing: memory for the rest is found when it comes.
    if (length) reader_.body_.reserve(static_cast<size_t>(std::min(*length, uint64_t{kMiB})));
  }

  size_t on_body_impl(string_view body, error_code&) override {
    reader_.body_.append(body.data(), body.size());
    return body.size();
  }

  void on_chunk_header_impl(uint64_t bytes, string_view, error_code&) override {
    // Beast adds nothing up beyond 64 bits, and neither may we.
    const uint64_t limit = reader_.limits_.body_bytes;
    reader_.check_body_bytes(std::min(bytes, limit + 1) + reader_.body_.size());
  }

  size_t on_chunk_body_impl(uint64_t, string_view body, error_code& error) override {
    return on_body_impl(body, error);
  }

  void on_finish_impl(error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}

  RequestReader& reader_;
};

RequestReader::RequestReader(const HttpLimits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>(*this)) {}

RequestReader::~RequestReader() = default;

void RequestReader::refuse_long_head(bool long_url) const {
  throw HttpError({.status = long_url ? 414 : 431},
                  {.where = "the request",
                   .what = long_url ? "URL" : "headers",
                   .expected = fmt::format("at most {} bytes",
                                           long_url ? limits_.target_bytes : limits_.header_bytes),
                   .found = "more"});
}

void RequestReader::check_body_bytes(uint64_t bytes) const {
  if (bytes > limits_.body_bytes)
    throw HttpError({.status = 413, .code = "body_too_large"},
                    {.where = "the request",
                     .what = "body",
                     .expected = fmt::format("at most {} bytes ({})", limits_.body_bytes,
                                             format_bytes(limits_.body_bytes)),
                     .found = head_.content_length ? fmt::format("{} bytes", bytes) : "more"});
}

// Beast tells nothing of a head before all of it is there.
bool RequestReader::has_long_url(std::string_view rest) const {
  return head_.method.empty() && std::min(rest.find('\n'), rest.size()) > limits_.target_bytes;
}

size_t RequestReader::put(std::string_view input, bool& wants_more) {
  error_code error;
  const size_t took = parser_->put(boost::asio::buffer(input.data(), input.size()), error);
  wants_more = error == beast::http::error::need_more;
  if (error == beast::http::error::header_limit) refuse_long_head(has_long_url(input));
  if (error == beast::http::error::body_limit) check_body_bytes(limits_.body_bytes + 1);
  if (error && !wants_more) refuse_syntax(error);
  return took;
}

size_t RequestReader::take(std::string_view input) {
  size_t took = 0;
  // RFC 9112, section 2.2: an empty line before a request is passed over.
  if (state_ == State::kEmpty) took = std::min(input.find_first_not_of("\r\n"), input.size());
  bool wants_more = false;
  while (took < input.size() && !wants_more && state_ != State::kDone &&
         state_ != State::kHeadDone) {
    const bool in_head = state_ != State::kBody;
    if (state_ == State::kEmpty) state_ = State::kHead;
    const size_t now = put(input.substr(took), wants_more);
    took += now;
    if (in_head) head_bytes_ += now;
    const size_t line_bytes = wants_more ? input.size() - took : 0;
    if (in_head && head_bytes_ + line_bytes > limits_.header_bytes)
      refuse_long_head(has_long_url(input.substr(took)));
    if (line_bytes > limits_.header_bytes)
      throw HttpError({.status = 400},
                      {.where = "the request",
                       .what = "what stands before or behind a chunk",
                       .expected = fmt::format("at most {} bytes", limits_.header_bytes),
                       .found = "more"});
    if (in_head && parser_->is_header_done()) {
      finish_head();
    } else if (!in_head && parser_->is_done()) {
      state_ = State::kDone;
    }
  }
  return took;
}

void RequestReader::finish_head() {
  state_ = State::kHeadDone;
  has_body_ = !parser_->is_done();
  head_.keep_alive = parser_->keep_alive();
  if (const auto length = parser_->content_length()) head_.content_length = *length;
  check_head(head_);
}

void RequestReader::read_body() {
  if (head_.content_length) check_body_bytes(*head_.content_length);
  state_ = has_body_ ? State::kBody : State::kDone;
}

}  // namespace tessera
