#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "http/http.h"
#include "tessera/error.h"

namespace tessera {

/// How an error is told to clients, beside its five parts.
struct HttpErrorKind {
  int status = 400;
  std::string code = {};     ///< for programs: "invalid_api_key"; empty: null
  std::string param = {};    ///< the key of the request that is wrong; empty: null
  HttpHeaders headers = {};  ///< of the response
};

/// An Error that knows its status: what a handler throws to refuse a request.
class HttpError : public Error {
 public:
  HttpError(HttpErrorKind kind, ErrorParts parts)
      : Error(std::move(parts)), kind_(std::move(kind)) {}
  const HttpErrorKind& kind() const { return kind_; }

 private:
  HttpErrorKind kind_;
};

/// {"error": {"message", "type", "param", "code"}} as OpenAI's clients read it, and in the same
/// object those of "where", "what", "expected", "found", "hint" that are there.
HttpResponse error_response(const HttpErrorKind& kind, const Error& error);

/// The response for what a handler has thrown: HttpError its own, Busy 429 with Retry-After, any
/// other Error 400, out of memory 503, the rest 500 without a word of what it says.
HttpResponse response_to(const std::exception_ptr& thrown);

/// "Not Found"; "Unknown" for a status that HTTP does not have.
std::string_view reason_phrase(int status);

}  // namespace tessera
