#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.h"
#include "http/http_limits.h"

namespace tessera {

/// What comes before a request's body.
struct RequestHead {
  std::string method, target;
  HttpHeaders headers = {};
  bool http11 = true;       ///< else 1.0
  bool keep_alive = false;  ///< the client would send more over this connection
  bool expects_continue = false;
  std::optional<uint64_t> content_length = {};  ///< empty: none, or chunked
};

/// Reads one request out of bytes as they come. Knows no sockets. Strict where two servers may read
/// the same bytes differently (RFC 9112, section 11.2). Every failure is an HttpError, and what
/// follows on that connection means nothing.
class RequestReader {
 public:
  enum class State {
    kEmpty,     ///< nothing of it is here yet
    kHead,      ///< a part of its head
    kHeadDone,  ///< waits for read_body()
    kBody,
    kDone,
  };

  explicit RequestReader(const HttpLimits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  State state() const { return state_; }

  /// Takes the bytes of this request at the beginning of `input` and says how many they were. Those
  /// that it leaves come again at the beginning of the next input, with more behind them.
  size_t take(std::string_view input);

  /// Whether a body follows the head; from kHeadDone on.
  bool has_body() const { return has_body_; }

  /// From kHeadDone. Throws HttpError 413 when the head says that the body is too long.
  void read_body();

  RequestHead& head() { return head_; }
  std::string& body() { return body_; }

 private:
  class Parser;

  size_t put(std::string_view input, bool& wants_more);
  void finish_head();
  [[noreturn]] void refuse_long_head(bool long_url) const;
  bool has_long_url(std::string_view rest) const;
  void check_body_bytes(uint64_t bytes) const;

  const HttpLimits limits_;
  std::unique_ptr<Parser> parser_;
  State state_ = State::kEmpty;
  size_t head_bytes_ = 0;  // taken
  bool has_body_ = false;
  RequestHead head_;
  std::string body_;
};

}  // namespace tessera
