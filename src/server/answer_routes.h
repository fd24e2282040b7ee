#pragma once

#include <vector>

#include "http/http.h"
#include "server/api_context.h"

namespace tessera {

/// POST /v1/chat/completions and /v1/completions.
std::vector<Route> answer_routes(const ApiContextPtr& context);

}  // namespace tessera
