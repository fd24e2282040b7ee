#pragma once

#include "server/api_options.h"
#include "server/body_fields.h"
#include "server/stream_fields.h"
#include "tessera/engine.h"

namespace tessera {

/// A body of POST /v1/chat/completions, all but its "model".
struct ChatRequest {
  Request request;
  StreamFields answer;
};

/// Throws HttpError that names the field. Tools, functions, audio and the like are refused;
/// fields that nobody here knows are ignored, since clients for other servers send many.
/// `context`: tokens that a sequence may have, which is what max_tokens is when not given.
ChatRequest read_chat_request(const Json& body, const ApiLimits& limits, int64_t context);

}  // namespace tessera
