#pragma once

#include <string>

#include "base/json.h"

namespace tessera {

/// Why the value is not valid by the schema, after JSON Schema 2020-12 with formats asserted; empty
/// when it is. Shares nothing with src/form. Knows the keywords that the forms support.
std::string judge_schema(const Json& schema, const Json& value);

}  // namespace tessera
