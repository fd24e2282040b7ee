#include "text/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "tessera/error.h"

namespace tessera {

std::string to_nfc(std::string_view text) {
  // Nothing below U+0300 (CC 80 in UTF-8) composes or moves.
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
  if (plain) return std::string(text);
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &raw,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(raw, std::free);
  if (bytes < 0)
    throw Error(
        {.where = "tokenizer", .what = "cannot normalise", .found = utf8proc_errmsg(bytes)});
  return {reinterpret_cast<const char*>(raw), static_cast<size_t>(bytes)};
}

}  // namespace tessera
