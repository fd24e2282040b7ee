#include "http/http.h"

#include "http/ascii.h"

namespace tessera {

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (same_ignoring_case(key, name)) return value;
  return {};
}

}  // namespace tessera
