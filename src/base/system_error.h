#pragma once

#include <string>

namespace tessera {

/// Throws the Error of a system call about `path` that failed with the errno `code`:
/// "PATH: cannot write: No space left on device".
[[noreturn]] void throw_system_error(const std::string& path, const char* doing, int code);

}  // namespace tessera
