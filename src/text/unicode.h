#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tessera {

/// U+FFFD in UTF-8: stands for a byte that belongs to no character.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// What the first bytes of a string are, as UTF-8 (RFC 3629: no overlong forms, no surrogates,
/// nothing above U+10FFFF).
struct Utf8Start {
  enum class Kind {
    kCharacter,   ///< `bytes` bytes are one character
    kIncomplete,  ///< all that is there may yet become one character
    kInvalid,     ///< the first byte can never begin a character with what follows it
  };
  Kind kind;
  size_t bytes;         ///< of the character; what there is when incomplete; 1 when invalid
  char32_t code_point;  ///< of the character; otherwise U+FFFD
};

/// `text` must not be empty.
Utf8Start read_utf8(std::string_view text);

bool is_valid_utf8(std::string_view text);

/// White space as Python's str.isspace sees it, which is what str.strip removes: the separators of
/// all scripts and the controls U+0009-000D, U+001C-001F and U+0085.
bool is_unicode_space(char32_t code_point);

/// Without the white space at its beginning, its end. Bytes that are not UTF-8 are not white space.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

}  // namespace tessera
