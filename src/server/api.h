#pragma once

#include <memory>
#include <vector>

#include "http/http.h"
#include "server/api_context.h"
#include "server/api_options.h"
#include "server/event_feed.h"
#include "tessera/engine.h"

namespace tessera {

/// The OpenAI-compatible API in front of an engine; docs/server.md has its routes.
///
/// `engine` must outlive this object, its routes, and every exchange that one of them was handed:
/// the server stops first. Its submit(), cancel(), status(), devices(), tokenize() and detokenize()
/// are called from any thread.
class Api {
 public:
  explicit Api(Engine& engine, ApiOptions options = {});

  /// All routes, /openapi.json included.
  std::vector<Route> routes() const;

  /// Ends the streams of /v1/events, which have no end of their own: before a server drains.
  void stop_events();

 private:
  ApiContextPtr context_;
  std::shared_ptr<EventFeed> events_;
};

}  // namespace tessera
