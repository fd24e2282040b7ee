#pragma once

#include <cstdint>

#include "tessera/engine.h"

namespace tessera {

// What a request may hold at most.
inline constexpr int64_t kMostLogitBiases = 300;  ///< as OpenAI's servers have it
inline constexpr int64_t kMostChoices = 128;
inline constexpr int64_t kMostStops = 64;  ///< strings, and ids
inline constexpr int64_t kMostStopBytes = 1024;

/// What the engine can do for a request.
struct RequestLimits {
  int64_t vocab;      ///< of the model
  int64_t sequences;  ///< that run at once
  bool submitted;     ///< beside others; else alone, by generate()
};

/// Every field but what only the prompt, the pictures and the form's own parser can judge. Throws
/// UsageError, which names the field, what it may be and what was found.
void check_request(const Request& request, const RequestLimits& limits);

}  // namespace tessera
