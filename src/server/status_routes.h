#pragma once

#include <memory>
#include <vector>

#include "http/http.h"
#include "server/api_context.h"
#include "server/event_feed.h"

namespace tessera {

/// GET /metrics, /v1/plan and /v1/status.
std::vector<Route> status_routes(const ApiContextPtr& context);

/// The status as events, ten times a second.
std::shared_ptr<EventFeed> make_status_feed(const ApiContextPtr& context);

/// GET /v1/events.
Route event_route(std::shared_ptr<EventFeed> feed);

}  // namespace tessera
