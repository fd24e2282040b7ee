#pragma once

#include <string>

#include "http/http_errors.h"

namespace tessera {

/// A field of a request that is not as it should be, as 400. `param`: its path, as
/// "messages[0].content". what() is "request: PARAM: expected E, found F (hint)".
HttpError wrong_field(const std::string& param, std::string expected, std::string found,
                      std::string hint = "");

/// A field, or this value of it, that Tessera knows and does not have.
HttpError not_supported(const std::string& param, std::string hint, const std::string& value = "");

}  // namespace tessera
