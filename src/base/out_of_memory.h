#pragma once

#include <new>
#include <string>

#include "tessera/error.h"

namespace tessera {

/// What `body()` returns. Host memory that is not there when the body asks for it becomes an Error
/// about `where` (a file, the request), like everything else that the caller can put right. To
/// stand where the library begins, and around what takes much for one input; not in between.
template <typename Body>
auto with_out_of_memory_as_error(const std::string& where, const Body& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    throw Error({.where = where, .what = "out of host memory"});
  }
}

}  // namespace tessera
