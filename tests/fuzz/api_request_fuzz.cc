#include <string>

#include "server/chat_request.h"
#include "server/completion_request.h"

// A body of POST /v1/chat/completions, or of /v1/completions when it has a "prompt". What is
// refused is an HttpError, whose response must be UTF-8.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const ApiLimits limits;
  try {
    const Json json = parse_body(body);
    if (json.contains("prompt")) {
      read_completion_request(json, limits);
    } else {
      read_chat_request(json, limits, 4096);
    }
  } catch (const HttpError& error) {
    (void)Json::parse(error_response(error.kind(), error).body);
  }
  return 0;
}
