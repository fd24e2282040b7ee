#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// What a request line names.
struct RequestTarget {
  std::string path;   ///< decoded; begins with "/", or is "*"
  std::string query;  ///< as sent, without "?"
};

/// Takes apart "/path?query", "http://host/path?query" and "*" (RFC 9112, section 3.2). Throws
/// HttpError 400 for another form, for a "%" without two hexadecimal digits, and for a path that
/// decodes to control characters or to no UTF-8.
RequestTarget parse_request_target(std::string_view target);

}  // namespace tessera
