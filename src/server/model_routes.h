#pragma once

#include <vector>

#include "server/api_context.h"
#include "http/http.h"

namespace tessera {

/// GET /v1/models, GET /v1/models/{id}, POST /tokenize, POST /detokenize.
std::vector<Route> model_routes(const ApiContextPtr& context);

}  // namespace tessera
