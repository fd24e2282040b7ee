#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

// For the kernel's own text files under /proc and /sys, which have no size; what is absent or
// malformed there is nothing that a user could put right, so it is no Error but nullopt.

std::optional<std::string> read_system_text(const std::string& path);

/// Whether the kernel took `text` for a file that is there.
bool write_system_text(const std::string& path, std::string_view text);

/// The whole number at the start of `text` after spaces; nullopt where none stands.
std::optional<int64_t> leading_integer(std::string_view text);

/// The number behind `key` at a start of a line: "MemTotal:" -> 24512344.
std::optional<int64_t> integer_after(std::string_view text, std::string_view key);

}  // namespace tessera
