#pragma once

#include <string>

#include "server/api_context.h"

namespace tessera {

/// The OpenAPI 3.1 description of the whole API as JSON, with this server's own limits and model
/// names in it.
std::string openapi_text(const ApiContext& context);

// Its parts, as JSON in which a string "@name" stands for a value that openapi_text puts there.
std::string_view openapi_paths();     ///< path -> method -> operation, without its error responses
std::string_view openapi_requests();  ///< name -> schema
std::string_view openapi_answers();   ///< name -> schema

}  // namespace tessera
