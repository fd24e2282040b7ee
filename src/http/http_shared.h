#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "http/access_log.h"
#include "http/api_keys.h"
#include "http/byte_budget.h"
#include "http/client_count.h"
#include "http/handler_pool.h"
#include "http/http_limits.h"
#include "http/origin_policy.h"
#include "http/router.h"
#include "tessera/log.h"

namespace tessera {

/// What all connections of a server have in common. Set up before the first of them.
struct HttpShared {
  HttpShared(const HttpLimits& limits_in, std::vector<Route> routes, ApiKeys keys_in,
             OriginPolicy::Config origins_in, LogSink log_in, AccessLog::Writer access_writer,
             bool access_as_json)
      : limits(limits_in),
        router(std::move(routes)),
        keys(std::move(keys_in)),
        origins(std::move(origins_in)),
        log(std::move(log_in)),
        access_log(std::move(access_writer), access_as_json),
        handlers(limits.workers, limits.waiting_for_a_worker),
        clients(limits.connections, limits.connections_of_address),
        bodies(std::make_shared<ByteBudget>(limits.bodies_bytes)),
        closing(std::make_shared<std::atomic<bool>>(false)) {}

  const HttpLimits limits;
  const Router router;
  const ApiKeys keys;
  const OriginPolicy origins;
  const LogSink log;
  AccessLog access_log;
  HandlerPool handlers;
  ClientCount clients;
  const std::shared_ptr<ByteBudget> bodies;
  /// No more requests are taken: each answer ends its connection.
  const std::shared_ptr<std::atomic<bool>> closing;
};

}  // namespace tessera
