#pragma once

#include <string>
#include <vector>

#include "server/api_context.h"
#include "server/body_fields.h"

namespace tessera {

/// All names that the model answers to, its own first.
std::vector<std::string> model_names(const ApiContext& context);

/// The HttpError for a model that is not there: 404, code "model_not_found".
HttpError model_not_found(const ApiContext& context, const std::string& name);

/// The name under which a request asks for the model: its "model", or the model's own where the
/// request names none. Throws model_not_found.
std::string asked_model(const ApiContext& context, const BodyFields& body);

}  // namespace tessera
