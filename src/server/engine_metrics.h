#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "tessera/engine.h"

namespace tessera {

/// What the engine says of itself at this moment: EngineStatus, its devices and the plan's figures
/// beside the measured ones, as Prometheus' gauges and counters.
std::vector<prometheus::MetricFamily> engine_families(const Engine& engine);

}  // namespace tessera
