#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/http.h"

namespace tessera {

/// What pages of other sites, running in a user's browser, may do here: nothing, but for those on a
/// list.
///
/// A server that asks for keys is safe from them: they have none. One that does not is reached
/// through the browser of whoever may reach it: by a page whose name suddenly means 127.0.0.1 (DNS
/// rebinding), which the Host header betrays, and by forms sent from elsewhere, which carry an
/// Origin.
class OriginPolicy {
 public:
  struct Config {
    bool asks_for_keys = false;
    bool loopback = true;                 ///< the server listens there alone
    std::vector<std::string> hosts = {};  ///< further names that Host may give
    /// Origins that may call from a browser ("https://chat.example"), as CORS has it.
    std::vector<std::string> origins = {};
  };

  /// Throws UsageError for an origin that is not "scheme://host" or "scheme://host:port"; "*" is
  /// none.
  explicit OriginPolicy(Config config);

  /// Throws HttpError 403 for a request that may have come from a page of another site.
  void check(const HttpRequest& request) const;

  /// Whether this is a browser's question before a request from a listed origin.
  bool is_preflight(const HttpRequest& request) const;
  HttpResponse answer_preflight(const HttpRequest& request, const std::string& allow) const;

  /// What lets the page of a listed origin read the answer to this request; empty for others.
  HttpHeaders headers_for(const HttpRequest& request) const;

 private:
  bool is_listed(std::string_view origin) const;
  bool is_own_host(std::string_view host) const;

  const Config config_;
};

/// "host:port", "host", "[::1]:port" without the port and the brackets.
std::string_view host_without_port(std::string_view host);

}  // namespace tessera
