#pragma once

#include <cstdint>

#include "server/api_options.h"
#include "server/body_fields.h"
#include "tessera/engine.h"

namespace tessera {

/// What the messages of one request may still have.
struct MessageBudget {
  size_t pictures = 0;
  uint64_t text_bytes = 0;
};

/// One of a chat's messages. Roles: system, developer (the same thing), user, assistant. The
/// content is a string or a list of parts {"type": "text"} and {"type": "image_url"}; texts are
/// joined by line ends, pictures go before them, wherever they stood. Takes what it uses from
/// `budget`. Throws HttpError.
Message read_chat_message(const BodyFields& message, const std::string& path,
                          const ApiLimits& limits, MessageBudget& budget);

}  // namespace tessera
