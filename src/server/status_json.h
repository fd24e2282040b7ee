#pragma once

#include "base/json.h"
#include "tessera/engine.h"

namespace tessera {

/// Keys are the names of the fields of these structures (tessera/serving.h, tessera/engine.h), and
/// so are the units.
Json status_to_json(const EngineStatus& status);
Json device_reports_to_json(const std::vector<DeviceReport>& reports);

/// The model, its status, its devices' reports and the plan in short: GET /v1/status.
Json engine_to_json(const Engine& engine);

}  // namespace tessera
