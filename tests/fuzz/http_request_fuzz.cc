// A request as it comes over a connection, in pieces; or a file of keys. What is accepted keeps
// what the limits and the checks promise.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/api_keys.h"
#include "http/ascii.h"
#include "http/request_reader.h"
#include "http/request_target.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr HttpLimits kLimits = {
    .header_bytes = 2000, .headers = 20, .target_bytes = 500, .body_bytes = 3000};

void require(bool holds) {
  if (!holds) __builtin_trap();
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

void check(const RequestHead& head) {
  require(!head.method.empty() && head.target.size() <= kLimits.target_bytes);
  require(head.headers.size() <= kLimits.headers);
  for (const auto& [name, value] : head.headers) {
    require(!name.empty() && std::all_of(name.begin(), name.end(), is_token_character));
    require(is_utf8(value) && std::none_of(value.begin(), value.end(), is_control));
  }
  const RequestTarget target = parse_request_target(head.target);
  require(target.path == "*" || target.path.starts_with('/'));
  require(is_utf8(target.path) && target.path.find('\0') == std::string::npos);
}

void read_requests(std::string_view bytes, size_t piece) {
  std::string input;
  RequestReader reader(kLimits);
  while (!bytes.empty() && reader.state() != RequestReader::State::kDone) {
    input.append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    input.erase(0, reader.take(input));
    if (reader.state() == RequestReader::State::kHeadDone) {
      check(reader.head());
      reader.read_body();
      input.erase(0, reader.take(input));
    }
    require(reader.body().size() <= kLimits.body_bytes);
    require(reader.state() == RequestReader::State::kDone ||
            input.size() <= kLimits.header_bytes + piece);
  }
}

void read_keys(std::string_view text) {
  ApiKeys keys;
  keys.add(text, "keys");
  require(!keys.owner(""));
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    // The first byte: how many bytes come at once; "k": keys.
    if (data[0] == 'k') {
      read_keys(rest);
    } else {
      read_requests(rest, data[0] < 250 ? data[0] + 1U : 100000U);
    }
  } catch (const Error&) {
  }
  return 0;
}
