#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

/// What PCRE2 says of a pattern, in UTF-8, without Unicode properties for \d \w \s. Empty where it
/// tries too many ways.
std::optional<bool> pcre_matches_whole(const std::string& pattern, std::string_view text);
std::optional<bool> pcre_finds(const std::string& pattern, std::string_view text);

}  // namespace tessera
