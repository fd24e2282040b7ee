#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/access_log.h"
#include "http/http.h"
#include "http/http_limits.h"
#include "tessera/log.h"

namespace tessera {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  ///< an address or a name of this machine
  int port = 8080;                 ///< 0: any that is free

  /// Whoever has a key may use the server (ApiKeys says how they are written); none at all: whoever
  /// reaches it, which `insecure` must allow for other addresses than this machine's own.
  std::string key_file = {};
  std::string keys = {};  ///< what TESSERA_API_KEYS holds, "," between keys or one a line
  bool insecure = false;

  std::string tls_certificate_file = {};  ///< both, or neither: plain HTTP
  std::string tls_key_file = {};

  std::vector<std::string> origins = {};  ///< pages of other sites that may call (CORS)
  std::vector<std::string> hosts = {};    ///< names for this server beside localhost, without keys

  HttpLimits limits = {};
  int io_threads = 1;

  LogSink log = {};                   ///< what an operator should know
  AccessLog::Writer access_log = {};  ///< a line for each request; empty: none
  bool access_log_as_json = false;
};

/// HTTP/1.1 for the routes that it is given: connections, limits, keys, TLS. Idle, it uses no
/// processor time. All calls from one thread.
class HttpServer {
 public:
  /// Listens, and answers from here on. Throws UsageError for options that do not go together, and
  /// Error for files that are wrong and for a port that the system does not give.
  HttpServer(HttpServerOptions options, std::vector<Route> routes);
  ~HttpServer();  ///< stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;         ///< where it listens
  std::string url() const;  ///< "http://127.0.0.1:8080"

  /// No new connections and no new requests: those under way are answered, and then their
  /// connections end. Returns at once.
  void stop_accepting();

  /// stop_accepting(), and waits for those under way. False: some were not after so many seconds.
  bool drain(double seconds);

  /// Ends all connections, finished or not, and returns when no handler runs any more. Exchanges
  /// that handlers have kept do nothing from here on.
  void stop();

  int connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
