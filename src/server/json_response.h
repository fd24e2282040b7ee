#pragma once

#include "base/json.h"
#include "http/http.h"

namespace tessera {

/// The JSON as a response. A string in it that is not UTF-8 has U+FFFD where it is not.
inline HttpResponse json_response(const Json& json, int status = 200) {
  return {.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace tessera
