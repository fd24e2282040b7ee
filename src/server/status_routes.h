#pragma once

#include <vector>

#include "server/api_context.h"
#include "http/http.h"

namespace tessera {

/// GET /metrics, /v1/plan, /v1/status, and /v1/events: the status as server-sent events, ten times
/// a second while anybody listens. The feed of events lives as long as the routes.
std::vector<Route> status_routes(const ApiContextPtr& context);

}  // namespace tessera
