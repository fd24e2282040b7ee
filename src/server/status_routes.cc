#include "server/status_routes.h"

#include <memory>
#include <string>
#include <utility>

#include "server/json_response.h"
#include "server/status_json.h"

namespace tessera {
namespace {

constexpr double kEventPeriod_s = 0.1;

Route get(std::string path, HttpHandler handler) {
  return {.method = "GET", .path = std::move(path), .handler = std::move(handler)};
}

}  // namespace

std::vector<Route> status_routes(const ApiContextPtr& context) {
  return {get("/metrics",
              [context](const std::shared_ptr<Exchange>& exchange) {
                exchange->respond({.content_type = std::string(Metrics::kContentType),
                                   .body = context->tools->metrics.text()});
              }),
          get("/v1/plan",
              [context](const std::shared_ptr<Exchange>& exchange) {
                exchange->respond({.body = plan_to_text(context->engine.plan())});
              }),
          get("/v1/status", [context](const std::shared_ptr<Exchange>& exchange) {
            exchange->respond(json_response(engine_to_json(context->engine)));
          })};
}

std::shared_ptr<EventFeed> make_status_feed(const ApiContextPtr& context) {
  const auto next = [context] {
    return status_to_json(context->engine.status())
        .dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  return std::make_shared<EventFeed>(next, kEventPeriod_s, context->options.limits.event_listeners);
}

Route event_route(std::shared_ptr<EventFeed> feed) {
  return get("/v1/events", [feed = std::move(feed)](const std::shared_ptr<Exchange>& exchange) {
    feed->add(exchange);
  });
}

}  // namespace tessera
