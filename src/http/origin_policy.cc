#include "http/origin_policy.h"

#include <algorithm>

#include "http/ascii.h"
#include "http/http_errors.h"

namespace tessera {
namespace {

bool is_loopback_name(std::string_view host) {
  return same_ignoring_case(host, "localhost") || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

std::string_view host_of_origin(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool is_origin(std::string_view text) {
  const std::string_view host = host_of_origin(text);
  return !host.empty() && host.find_first_of("/?#* \t\"@") == std::string_view::npos &&
         (text.starts_with("http://") || text.starts_with("https://"));
}

}  // namespace

std::string_view host_without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

OriginPolicy::OriginPolicy(Config config) : config_(std::move(config)) {
  for (const std::string& origin : config_.origins)
    if (!is_origin(origin))
      throw UsageError({.where = "CORS origin",
                        .expected = "https://host or https://host:port",
                        .found = '"' + origin + '"',
                        .hint = "each origin is named; there is no \"*\""});
}

bool OriginPolicy::is_listed(std::string_view origin) const {
  return !origin.empty() &&
         std::any_of(config_.origins.begin(), config_.origins.end(),
                     [&](const std::string& o) { return same_ignoring_case(o, origin); });
}

bool OriginPolicy::is_own_host(std::string_view host) const {
  return is_loopback_name(host) ||
         std::any_of(config_.hosts.begin(), config_.hosts.end(),
                     [&](const std::string& own) { return same_ignoring_case(own, host); });
}

void OriginPolicy::check(const HttpRequest& request) const {
  if (config_.asks_for_keys) return;
  const std::string_view host = request.header("Host");
  if ((config_.loopback || !config_.hosts.empty()) && !is_own_host(host_without_port(host)))
    throw HttpError({.status = 403, .code = "unknown_host"},
                    {.where = "the Host header",
                     .expected = "a name of this machine",
                     .found = '"' + std::string(host) + '"',
                     .hint = "a server without keys answers to no other names, lest pages of other "
                             "sites reach it; name this one when starting it"});
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || is_listed(origin) || same_ignoring_case(host_of_origin(origin), host))
    return;
  throw HttpError({.status = 403, .code = "unknown_origin"},
                  {.where = "the Origin header",
                   .expected = "this server's own page",
                   .found = '"' + std::string(origin) + '"',
                   .hint = "a server without keys takes no requests from pages of other sites; "
                           "allow this one when starting it"});
}

bool OriginPolicy::is_preflight(const HttpRequest& request) const {
  return request.method == "OPTIONS" && is_listed(request.header("Origin")) &&
         !request.header("Access-Control-Request-Method").empty();
}

HttpResponse OriginPolicy::answer_preflight(const HttpRequest& request,
                                            const std::string& allow) const {
  HttpResponse response = {.status = 204, .content_type = ""};
  response.headers.emplace_back("Access-Control-Allow-Methods", allow);
  // Which headers a page may send, keys guard nothing: what it asks for.
  const std::string_view wanted = request.header("Access-Control-Request-Headers");
  if (!wanted.empty()) response.headers.emplace_back("Access-Control-Allow-Headers", wanted);
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  return response;
}

HttpHeaders OriginPolicy::headers_for(const HttpRequest& request) const {
  if (config_.origins.empty()) return {};
  HttpHeaders headers = {{"Vary", "Origin"}};  // a cache must not hand one origin's to another
  const std::string_view origin = request.header("Origin");
  if (!is_listed(origin)) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", origin);
  headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  return headers;
}

}  // namespace tessera
