#pragma once

#include <string>

#include "tessera/error.h"

namespace tessera {

/// The one line of the Error that `call` throws; "no error" when it throws none.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace tessera
