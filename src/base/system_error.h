#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// Throws the Error of a system call about `path` that failed with the errno `code`:
/// "PATH: cannot write: No space left on device".
[[noreturn]] void throw_system_error(const std::string& path, std::string_view doing, int code,
                                     std::string_view hint = {});

}  // namespace tessera
