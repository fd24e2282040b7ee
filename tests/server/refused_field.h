#pragma once

#include <string>

#include "http/http_errors.h"

namespace tessera {

/// "PARAM CODE" of the HttpError that `call` throws, "-" for what is empty; "taken" when it throws
/// none. A status other than 400 is shown, too.
template <typename Call>
std::string refused_field(const Call& call) {
  try {
    call();
  } catch (const HttpError& error) {
    const HttpErrorKind& kind = error.kind();
    return (kind.status == 400 ? "" : std::to_string(kind.status) + " ") +
           (kind.param.empty() ? "-" : kind.param) + (kind.code.empty() ? "" : " " + kind.code);
  }
  return "taken";
}

}  // namespace tessera
