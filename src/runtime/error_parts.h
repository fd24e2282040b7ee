#pragma once

#include <exception>

#include "tessera/error.h"

namespace tessera {

/// Whatever was thrown, as the parts of an Error.
ErrorParts parts_of(const std::exception_ptr& error);

}  // namespace tessera
