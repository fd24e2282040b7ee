#include "http/http_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <new>

#include "base/json.h"
#include "tessera/serving.h"

namespace tessera {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};

constexpr std::array<Phrase, 23> kPhrases = {{{100, "Continue"},
                                              {200, "OK"},
                                              {202, "Accepted"},
                                              {204, "No Content"},
                                              {304, "Not Modified"},
                                              {400, "Bad Request"},
                                              {401, "Unauthorized"},
                                              {403, "Forbidden"},
                                              {404, "Not Found"},
                                              {405, "Method Not Allowed"},
                                              {408, "Request Timeout"},
                                              {409, "Conflict"},
                                              {413, "Content Too Large"},
                                              {414, "URI Too Long"},
                                              {415, "Unsupported Media Type"},
                                              {417, "Expectation Failed"},
                                              {422, "Unprocessable Content"},
                                              {429, "Too Many Requests"},
                                              {431, "Request Header Fields Too Large"},
                                              {500, "Internal Server Error"},
                                              {501, "Not Implemented"},
                                              {503, "Service Unavailable"},
                                              {504, "Gateway Timeout"}}};

std::string_view error_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace

std::string_view reason_phrase(int status) {
  const auto* const found = std::find_if(kPhrases.begin(), kPhrases.end(),
                                         [&](const Phrase& p) { return p.status == status; });
  return found == kPhrases.end() ? "Unknown" : found->text;
}

HttpResponse error_response(const HttpErrorKind& kind, const Error& error) {
  const ErrorParts& parts = error.parts();
  Json object = {{"message", error.what()},
                 {"type", error_type(kind.status)},
                 {"param", text_or_null(kind.param)},
                 {"code", text_or_null(kind.code)}};
  for (const auto& [key, part] : {std::pair<const char*, const std::string&>{"where", parts.where},
                                  {"what", parts.what},
                                  {"expected", parts.expected},
                                  {"found", parts.found},
                                  {"hint", parts.hint}})
    if (!part.empty()) object[key] = part;
  // A part may quote what a client sent: any bytes.
  return {.status = kind.status,
          .headers = kind.headers,
          .body = Json{{"error", std::move(object)}}.dump(-1, ' ', false,
                                                          Json::error_handler_t::replace)};
}

HttpResponse response_to(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const HttpError& error) {
    return error_response(error.kind(), error);
  } catch (const Busy& busy) {
    const double seconds = std::clamp(std::ceil(busy.retry_after_s()), 1.0, 3600.0);
    return error_response({.status = 429,
                           .code = "busy",
                           .headers = {{"Retry-After", fmt::format("{:.0f}", seconds)}}},
                          busy);
  } catch (const Error& error) {
    return error_response({.status = 400}, error);
  } catch (const std::bad_alloc&) {
    return error_response({.status = 503, .headers = {{"Retry-After", "1"}}},
                          Error({.where = "the server", .what = "out of host memory"}));
  } catch (...) {
    return error_response({.status = 500},
                          Error({.where = "the server", .what = "an error of its own"}));
  }
}

}  // namespace tessera
