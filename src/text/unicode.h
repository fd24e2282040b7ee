#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
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

/// How many bytes at the beginning of `text` one U+FFFD stands for, where it stands for a sequence
/// and not for a byte: as many as begin a character that then goes on wrongly, else 1. `text` must
/// begin with no whole character. Source: the Unicode Standard, section 3.9, "maximal subparts";
/// Python's and Rust's decoders do so.
size_t broken_sequence_bytes(std::string_view text);

/// `text` with U+FFFD for each broken sequence.
std::string to_valid_utf8(std::string_view text);

/// White space as Python's str.isspace sees it, which is what str.strip removes: the separators of
/// all scripts and the controls U+0009-000D, U+001C-001F and U+0085.
bool is_unicode_space(char32_t code_point);

/// White space as the property White_Space has it: the same without U+001C-001F.
bool is_white_space_property(char32_t code_point);

/// A character of words as the regular expressions of Rust see it (\w): letters, marks, decimal
/// digits, connectors such as "_", the joiners, and what else counts as alphabetic.
bool is_word_character(char32_t code_point);

/// Without the white space at its beginning, its end. Bytes that are not UTF-8 are not white space.
std::string_view strip_left(std::string_view text, bool (*is_space)(char32_t) = is_unicode_space);
std::string_view strip_right(std::string_view text, bool (*is_space)(char32_t) = is_unicode_space);

}  // namespace tessera
