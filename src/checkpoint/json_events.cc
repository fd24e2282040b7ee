#include "checkpoint/json_events.h"

#include <fmt/format.h>

#include "tessera/error.h"

namespace tessera {

bool JsonEvents::parse_error(size_t position, const std::string& token,
                             const nlohmann::json::exception&) {
  throw Error({.where = where_,
               .what = "not valid JSON",
               .found = fmt::format("\"{}\" at byte {}", token.substr(0, 40), position)});
}

void JsonEvents::refuse(const std::string& found) const {
  const Place at = place();
  throw Error({.where = where_, .what = at.what, .expected = at.expected, .found = found});
}

void JsonEvents::read(std::string_view text) {
  // nlohmann takes a NUL for the end of the document, and whatever follows would go unseen.
  if (const size_t nul = text.find('\0'); nul != text.npos)
    throw Error(
        {.where = where_, .what = "not valid JSON", .found = fmt::format("a NUL at byte {}", nul)});
  Json::sax_parse(text.begin(), text.end(), this);
}

}  // namespace tessera
