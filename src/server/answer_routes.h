#pragma once

#include <vector>

#include "server/api_context.h"
#include "http/http.h"

namespace tessera {

/// POST /v1/chat/completions and /v1/completions.
std::vector<Route> answer_routes(const ApiContextPtr& context);

}  // namespace tessera
