#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

/// Bytes of a base64 text (RFC 4648, alphabet of section 4). Strict: no white space, "=" only as
/// padding at the end, and the bits that padding leaves over are zero; the padding itself may be
/// missing. Empty when the text is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace tessera
