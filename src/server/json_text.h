#pragma once

#include <string>
#include <string_view>

namespace tessera {

// JSON written straight into a string, for what is written once a token. Everything else goes
// through nlohmann.

/// Appends the text as a JSON string, quotes included. What is not UTF-8 becomes U+FFFD, the same
/// ones that nlohmann's error_handler_t::replace puts there.
void append_json_string(std::string& out, std::string_view text);

/// Appends a log probability in the fewest digits that read back the same. JSON has no infinity and
/// no NaN: they become -9999, which is also what OpenAI gives for tokens out of reach.
void append_logprob(std::string& out, float logprob);

}  // namespace tessera
