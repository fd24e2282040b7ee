#include "http/head_checks.h"

#include <algorithm>
#include <array>

#include "http/ascii.h"
#include "http/http_errors.h"

namespace tessera {
namespace {

[[noreturn]] void refuse_header(int status, std::string name, std::string expected,
                                std::string found) {
  throw HttpError({.status = status}, {.where = "the request's headers",
                                       .what = std::move(name),
                                       .expected = std::move(expected),
                                       .found = std::move(found)});
}

constexpr std::array<std::string_view, 8> kOnce = {
    "Host",   "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization",
    "Expect", "Origin",         "X-Request-Id"};

size_t count(const RequestHead& head, std::string_view name) {
  return static_cast<size_t>(
      std::count_if(head.headers.begin(), head.headers.end(),
                    [&](const auto& header) { return same_ignoring_case(header.first, name); }));
}

std::string_view find(const RequestHead& head, std::string_view name) {
  for (const auto& [key, value] : head.headers)
    if (same_ignoring_case(key, name)) return value;
  return {};
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

void check_framing(const RequestHead& head) {
  const bool has_length = count(head, "Content-Length") > 0;
  const bool has_coding = count(head, "Transfer-Encoding") > 0;
  if (has_length && has_coding)
    refuse_header(400, "Content-Length", "none beside Transfer-Encoding", "both");
  if (has_length && !is_number(find(head, "Content-Length")))
    refuse_header(400, "Content-Length", "a number", std::string(find(head, "Content-Length")));
  if (!has_coding) return;
  if (!head.http11) refuse_header(400, "Transfer-Encoding", "HTTP/1.1", "HTTP/1.0");
  if (!same_ignoring_case(find(head, "Transfer-Encoding"), "chunked"))
    refuse_header(501, "Transfer-Encoding", "chunked",
                  std::string(find(head, "Transfer-Encoding")));
}

bool is_host(std::string_view text) {
  return text.find_first_of(" \t/?#@\\\"<>,") == std::string_view::npos;
}

}  // namespace

void check_head(RequestHead& head) {
  for (const auto& [name, value] : head.headers)
    if (!is_utf8(value)) refuse_header(400, name, "UTF-8", "other bytes");
  for (const std::string_view name : kOnce)
    if (count(head, name) > 1) refuse_header(400, std::string(name), "it once", "it twice");
  check_framing(head);
  if (head.http11 && count(head, "Host") == 0) refuse_header(400, "Host", "a name", "none");
  if (!is_host(find(head, "Host")))
    refuse_header(400, "Host", "a name", std::string(find(head, "Host")));
  const std::string_view expect = find(head, "Expect");
  if (expect.empty()) return;
  if (!same_ignoring_case(expect, "100-continue"))
    refuse_header(417, "Expect", "100-continue", std::string(expect));
  head.expects_continue = head.http11;
}

}  // namespace tessera
