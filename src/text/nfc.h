#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// `text`, which is valid UTF-8, in Unicode's normalization form C: a letter and the accent behind
/// it become one character where there is one.
std::string to_nfc(std::string_view text);

}  // namespace tessera
