#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// One request, whole, within the server's limits. Everything in it is a stranger's.
struct HttpRequest {
  std::string method;  ///< "GET"
  std::string path;    ///< decoded, without the query
  std::string query;   ///< as sent, without "?"
  HttpHeaders headers = {};
  std::string body = {};
  std::string id = {};      ///< goes into logs and back as X-Request-Id
  std::string client = {};  ///< the address it came from
  std::string user = {};    ///< whose key it had; empty: none is asked for

  /// The header's value, its name in any case; empty: absent.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers = {};
  std::string body = {};
};

/// One request and the way back to whoever sent it. Handed to a handler, which answers now or later
/// and from any thread, by respond() once, or by begin_stream(), write()..., end_stream(). Whoever
/// drops it unanswered sends 500. Calls after the client has gone do nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const HttpRequest& request() const = 0;

  virtual void respond(HttpResponse response) = 0;

  /// The head of an answer whose body comes in pieces (server-sent events).
  virtual void begin_stream(HttpResponse head) = 0;
  /// Queued; a client that lets more than the server's limit pile up is dropped.
  void write(std::string piece) { write(std::move(piece), nullptr); }
  /// `sent` is called once the system has all of the piece, from here or from another thread; never
  /// where the client goes before. Must return quickly.
  virtual void write(std::string piece, std::function<void()> sent) = 0;
  void end_stream() { end_stream({}); }
  virtual void end_stream(std::string last) = 0;  ///< behind a last piece, where it is not empty

  /// Called once, from the server's thread, when the client goes away before its answer has ended;
  /// at once if it has. Must return quickly.
  virtual void on_gone(std::function<void()> callback) = 0;
};

/// Called on one of the server's worker threads, where it may take a while. What it throws becomes
/// a response.
using HttpHandler = std::function<void(const std::shared_ptr<Exchange>&)>;

/// A path and who answers it.
struct Route {
  std::string method;
  std::string path;  ///< "/v1/models"; ending in "/*": everything below
  HttpHandler handler;
  bool open_to_all = false;  ///< needs no key: /health/live alone
};

}  // namespace tessera
