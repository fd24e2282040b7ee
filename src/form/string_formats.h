#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// The expression of a "format" of JSON Schema, for a whole text; empty when Tessera does not know
/// it. Narrower than the format where a format is wide: no quoted local parts of an e-mail address,
/// no leap seconds.
std::string_view pattern_of_format(std::string_view format);
std::string known_formats();  ///< for errors: "date, time, ..."

}  // namespace tessera
