#include "server/api.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

#include "server/answer_routes.h"
#include "server/health_routes.h"
#include "server/model_routes.h"
#include "server/openapi.h"
#include "server/status_routes.h"

namespace tessera {

Api::Api(Engine& engine, ApiOptions options) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  context_ = std::make_shared<const ApiContext>(
      ApiContext{.engine = engine,
                 .options = std::move(options),
                 .tools = std::make_shared<AnswerTools>(engine),
                 .created_s = std::chrono::duration_cast<std::chrono::seconds>(now).count()});
  events_ = make_status_feed(context_);
}

std::vector<Route> Api::routes() const {
  std::vector<Route> routes;
  for (auto* make : {answer_routes, model_routes, health_routes, status_routes}) {
    std::vector<Route> more = make(context_);
    std::move(more.begin(), more.end(), std::back_inserter(routes));
  }
  routes.push_back(event_route(events_));
  const auto description = std::make_shared<const std::string>(openapi_text(*context_));
  routes.push_back({.method = "GET",
                    .path = "/openapi.json",
                    .handler = [description](const std::shared_ptr<Exchange>& exchange) {
                      exchange->respond({.body = *description});
                    }});
  return routes;
}

void Api::stop_events() {
  events_->stop();
}

}  // namespace tessera
