#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "tessera/engine.h"

namespace tessera {

/// What an answer took, for a person: "16 tokens in 120 ms (125 tokens/s); prompt of 349 ...".
std::string describe_answer(const Answer& answer);

/// A table of the devices: what the plan promised beside what was measured.
std::string describe_devices(std::span<const DeviceReport> devices);

/// One line about the load.
std::string describe_load(const Engine& engine);

/// An answer as JSON, with all that the command line promises but the plan, which is the same for
/// every answer.
Json answer_to_json(const Answer& answer, const Engine& engine);

/// JSON on one line, with its end.
std::string to_json_line(const Json& json);

}  // namespace tessera
