#pragma once

#include <vector>

#include "server/api_options.h"
#include "http/http.h"
#include "tessera/engine.h"

namespace tessera {

/// Everything of the OpenAI-compatible API, /openapi.json included; docs/server.md has the list.
/// `engine` must outlive the routes and every exchange that one of them was handed; its submit(),
/// cancel(), status(), devices(), tokenize() and detokenize() are called from any thread.
std::vector<Route> api_routes(Engine& engine, ApiOptions options = {});

}  // namespace tessera
