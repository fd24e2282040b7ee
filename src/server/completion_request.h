#pragma once

#include "server/api_options.h"
#include "server/body_fields.h"
#include "server/stream_fields.h"
#include "tessera/engine.h"

namespace tessera {

/// A body of POST /v1/completions, all but its "model".
struct CompletionRequest {
  Request request;
  StreamFields answer;
  bool echo = false;  ///< the prompt stands before each answer
};

/// The prompt is a string, token ids, or a list of one of either: one request is one prompt.
/// max_tokens is 16 when not given, as OpenAI has it. Throws HttpError; unknown fields as in
/// chat_request.h.
CompletionRequest read_completion_request(const Json& body, const ApiLimits& limits);

}  // namespace tessera
