#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "base/json.h"

namespace tessera {

/// Throws Error for a member that is not listed: what Tessera does not know could change the
/// meaning of what it does.
inline void only_keys(const JsonReader& reader, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : reader.json().items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      reader.fail(key.substr(0, 200), "no such key", describe_json(value));
}

}  // namespace tessera
