#pragma once

#include <functional>
#include <string_view>

namespace tessera {

enum class LogLevel { kDebug, kInfo, kWarning };

/// Where the library's lines go: whoever embeds it hands one in. Called from any thread, one line
/// at a time without its newline; must not throw. An empty sink drops the line.
using LogSink = std::function<void(LogLevel, std::string_view line)>;

}  // namespace tessera
