#pragma once

#include <memory>

#include "http/http.h"
#include "http/http_errors.h"
#include "server/api_context.h"

namespace tessera {

/// Hands a request to the engine, which tells `listener`, and has it cancelled when the client goes
/// away. Throws HttpError:
///   503  the engine is not ready, and why
///   400  it can never be answered: the prompt is too long (code "context_length_exceeded"), a
///        picture cannot be decoded (param: where it stands), a field is out of reach
/// and Busy. The listener hears nothing then.
void submit_request(const ApiContext& context, const std::shared_ptr<Exchange>& exchange,
                    Request request, std::shared_ptr<AnswerListener> listener);

/// 503 and why; when the engine can serve, nothing is thrown.
void check_ready(const Engine& engine);

/// Why submit() refused, as a client should hear it.
HttpError refusal_of(const Error& error);

}  // namespace tessera
