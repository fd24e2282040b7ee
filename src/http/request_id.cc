#include "http/request_id.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

namespace tessera {
namespace {

constexpr size_t kMaxIdBytes = 128;

bool may_stand_in_an_id(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("-_.:/+=~").find(c) != std::string_view::npos);
}

}  // namespace

std::string request_id_from(std::string_view sent) {
  if (!sent.empty() && sent.size() <= kMaxIdBytes &&
      std::all_of(sent.begin(), sent.end(), may_stand_in_an_id))
    return std::string(sent);
  std::array<unsigned char, 16> random = {};
  // Ids need to differ, not to be secret: without randomness they are all zero, and that is all.
  (void)RAND_bytes(random.data(), static_cast<int>(random.size()));
  return fmt::format("{:02x}", fmt::join(random, ""));
}

}  // namespace tessera
