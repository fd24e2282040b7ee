#include "server/picture_url.h"

#include <cstdlib>
#include <string>

#include "http/http_errors.h"

// A URL. A picture that is taken has as many bytes as its base64 says.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const std::string url(reinterpret_cast<const char*>(data), size);
  try {
    const Picture picture = picture_of_url(url, "url", 1000);
    const size_t padding = url.ends_with("==") ? 2 : url.ends_with('=') ? 1 : 0;
    const size_t characters = url.size() - url.find(',') - 1 - padding;
    if (picture.bytes->size() != characters * 3 / 4 || picture.bytes->size() > 1000) std::abort();
  } catch (const HttpError&) {
  }
  return 0;
}
