#pragma once

#include <memory>
#include <string>

#include "server/answer_tools.h"
#include "server/api_options.h"
#include "tessera/engine.h"

namespace tessera {

/// What the API's handlers work with; made once, then only read. The engine must outlive it.
struct ApiContext {
  Engine& engine;
  const ApiOptions options;
  const std::shared_ptr<AnswerTools> tools;
  const int64_t created_s;  ///< since 1970: when the model came up
};
using ApiContextPtr = std::shared_ptr<const ApiContext>;

}  // namespace tessera
