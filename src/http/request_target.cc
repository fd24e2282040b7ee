#include "http/request_target.h"

#include <algorithm>

#include "http/ascii.h"
#include "http/http_errors.h"

namespace tessera {
namespace {

[[noreturn]] void refuse_target(std::string what, std::string expected, std::string found) {
  throw HttpError({.status = 400}, {.where = "the request's URL",
                                    .what = std::move(what),
                                    .expected = std::move(expected),
                                    .found = std::move(found)});
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_percent(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at];
      continue;
    }
    const int high = at + 2 < text.size() ? hex_digit(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? hex_digit(text[at + 2]) : -1;
    if (high < 0 || low < 0)
      refuse_target("%", "two hexadecimal digits behind it",
                    '"' + std::string(text.substr(at, 3)) + '"');
    out += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return out;
}

// The path and query of "http://host/path?query".
std::string_view without_scheme_and_host(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (same_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      const size_t end = target.find_first_of("/?");
      return end == std::string_view::npos ? "/" : target.substr(end);
    }
  return target;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

RequestTarget parse_request_target(std::string_view target) {
  if (target == "*") return {.path = "*", .query = {}};
  target = without_scheme_and_host(target);
  if (!target.starts_with('/') && !target.starts_with('?'))
    refuse_target("path", "one that begins with /", '"' + std::string(target) + '"');
  const size_t mark = target.find('?');
  RequestTarget parsed = {.path = decode_percent(target.substr(0, mark)), .query = {}};
  if (mark != std::string_view::npos) parsed.query = target.substr(mark + 1);
  if (parsed.path.empty()) parsed.path = "/";
  if (std::any_of(parsed.path.begin(), parsed.path.end(), is_control))
    refuse_target("path", "no control characters", parsed.path);
  if (!is_utf8(parsed.path)) refuse_target("path", "UTF-8", "other bytes");
  return parsed;
}

}  // namespace tessera
