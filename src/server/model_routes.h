#pragma once

#include <vector>

#include "http/http.h"
#include "server/api_context.h"

namespace tessera {

/// GET /v1/models, GET /v1/models/{id}, POST /tokenize, POST /detokenize.
std::vector<Route> model_routes(const ApiContextPtr& context);

}  // namespace tessera
