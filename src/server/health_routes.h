#pragma once

#include <vector>

#include "http/http.h"
#include "server/api_context.h"

namespace tessera {

/// GET /health/live (open to all): the process answers. GET /health/ready: 200 while the engine can
/// serve, else 503 and why.
std::vector<Route> health_routes(const ApiContextPtr& context);

}  // namespace tessera
