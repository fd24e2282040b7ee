#pragma once

#include <string>

#include "base/json.h"
#include "tessera/plan.h"

namespace tessera {

/// The plan as JSON: keys as in the command line's description, times in milliseconds.
Json plan_to_json(const Plan& plan);

/// Back from JSON; times survive the trip to the last bit. Throws Error that names `where` and the
/// key for anything missing, of the wrong kind or out of bounds. Says nothing about whether the
/// plan suits any devices.
Plan plan_from_json(const Json& json, const std::string& where);

}  // namespace tessera
