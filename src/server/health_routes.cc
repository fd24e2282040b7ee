#include "server/health_routes.h"

#include "server/json_response.h"
#include "server/submit_request.h"

namespace tessera {

std::vector<Route> health_routes(const ApiContextPtr& context) {
  return {{.method = "GET",
           .path = "/health/live",
           .handler =
               [](const std::shared_ptr<Exchange>& exchange) {
                 exchange->respond(json_response({{"status", "live"}}));
               },
           .open_to_all = true},
          {.method = "GET",
           .path = "/health/ready",
           .handler = [context](const std::shared_ptr<Exchange>& exchange) {
             check_ready(context->engine);
             exchange->respond(json_response({{"status", "ready"}}));
           }}};
}

}  // namespace tessera
