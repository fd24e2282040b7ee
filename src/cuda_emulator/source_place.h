#pragma once

namespace tessera {

/// A place in the program, as a default argument: where the function was called.
/// std::source_location would do, if every clang that we check with had it.
struct SourcePlace {
  const char* file;
  int line;

  static constexpr SourcePlace current(const char* file = __builtin_FILE(),
                                       int line = __builtin_LINE()) {
    return {file, line};
  }
};

}  // namespace tessera
