#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

/// Byte-level vocabularies spell each byte as one printable character: those of "!" to "~", U+00A1
/// to U+00AC and U+00AE to U+00FF as they are, the 68 others in order as U+0100 and on; a space is
/// U+0120. Source: Radford et al. 2019 (GPT-2), bytes_to_unicode of its code.

/// The character of a byte, in UTF-8.
std::string_view spell_byte(unsigned char byte);

/// The bytes that a token spells; empty optional when a character of it stands for none.
std::optional<std::string> spelled_bytes(std::string_view token);

}  // namespace tessera
