#pragma once

#include <string_view>

namespace tessera {

/// Whether both say the same, ASCII letters in any case: names of headers, hosts and schemes.
bool same_ignoring_case(std::string_view a, std::string_view b);

/// Without the spaces and tabs at both ends.
std::string_view trim_blanks(std::string_view text);

/// A character of a header's name or a method: "token" of RFC 9110, section 5.6.2.
bool is_token_character(char c);

/// Whether all of it is UTF-8 as RFC 3629 has it: no overlong forms, surrogates, or characters
/// above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace tessera
