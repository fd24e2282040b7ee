#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http/http.h"

namespace tessera {

/// How an answer's body is delimited, and what becomes of the connection behind it.
struct AnswerFraming {
  bool http11 = true;    ///< what the client speaks
  bool close = false;    ///< the connection ends with this answer
  bool chunked = false;  ///< else by its length, or by the connection's end
  std::optional<uint64_t> content_length = {};
};

/// The status line and the headers, up to the empty line. Headers whose name or value HTTP cannot
/// carry are left out: to send them would let whoever made them write headers of his own.
std::string response_head(const HttpResponse& response, const HttpHeaders& more,
                          const AnswerFraming& framing);

/// One chunk of a chunked body. An empty one would end it: gives nothing.
std::string chunk_of(std::string_view piece);

inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace tessera
