#include "http/api_keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/base64.h"
#include "base/file.h"
#include "base/system_error.h"
#include "base/units.h"
#include "http/ascii.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr size_t kMinKeyBytes = 16, kMaxKeyBytes = 1024, kMaxNameBytes = 64;

bool is_visible(char c) {
  return c > ' ' && c < 0x7f;
}

bool may_stand_in_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '@';
}

}  // namespace

ApiKeys::Digest ApiKeys::digest_of(std::string_view key) {
  Digest digest;
  ::SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

void ApiKeys::add_line(std::string_view line, const std::string& where) {
  std::string owner = fmt::format("key-{}", keys_.size() + 1);
  if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    owner = line.substr(0, colon);
    line.remove_prefix(colon + 1);
    if (owner.empty() || owner.size() > kMaxNameBytes ||
        !std::all_of(owner.begin(), owner.end(), may_stand_in_a_name))
      throw Error({.where = where,
                   .what = "the name before \":\"",
                   .expected = "1 to 64 letters, digits and - _ . @"});
  }
  if (line.size() < kMinKeyBytes || line.size() > kMaxKeyBytes)
    throw Error({.where = where,
                 .what = "the length of a key",
                 .expected = fmt::format("{} to {} characters", kMinKeyBytes, kMaxKeyBytes),
                 .found = fmt::format("{}", line.size()),
                 .hint = "`openssl rand -hex 32` makes a good one"});
  if (!std::all_of(line.begin(), line.end(), is_visible))
    throw Error({.where = where,
                 .what = "a key",
                 .expected = "visible ASCII characters",
                 .found = "blanks or other bytes"});
  const Digest digest = digest_of(line);
  if (std::any_of(keys_.begin(), keys_.end(), [&](const Key& k) { return k.digest == digest; }))
    throw Error({.where = where, .what = "a key", .found = "it twice"});
  keys_.push_back({std::move(owner), digest});
}

void ApiKeys::add(std::string_view text, const std::string& where) {
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim_blanks(line);
    if (!line.empty() && line.front() != '#') add_line(line, fmt::format("{}:{}", where, number));
  }
}

std::string ApiKeys::add_file(const std::string& path) {
  const std::string text = read_file(path, kMiB);
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) throw_system_error(path, "stat", errno);
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw Error({.where = path,
                 .what = "keys in a file that others may write",
                 .expected = "mode 600",
                 .found = fmt::format("mode {:o}", info.st_mode & 0777U),
                 .hint = "chmod 600"});
  const size_t before = keys_.size();
  add(text, path);
  if (keys_.size() == before)
    throw Error({.where = path, .expected = "a key a line", .found = "none"});
  if ((info.st_mode & S_IROTH) == 0) return "";
  return path + ": everybody on this machine may read these keys (chmod 600)";
}

std::optional<std::string> ApiKeys::owner(std::string_view presented) const {
  const Digest digest = digest_of(presented);
  const Key* found = nullptr;
  for (const Key& key : keys_)
    if (CRYPTO_memcmp(digest.data(), key.digest.data(), digest.size()) == 0) found = &key;
  if (found == nullptr) return std::nullopt;
  return found->owner;
}

std::string presented_key(std::string_view authorization) {
  constexpr std::string_view kBearer = "Bearer ", kBasic = "Basic ";
  const auto is = [&](std::string_view scheme) {
    return same_ignoring_case(authorization.substr(0, scheme.size()), scheme);
  };
  if (is(kBearer)) return std::string(trim_blanks(authorization.substr(kBearer.size())));
  if (!is(kBasic)) return {};
  const std::string pair =
      decode_base64(trim_blanks(authorization.substr(kBasic.size()))).value_or("");
  const size_t colon = pair.find(':');
  return colon == pair.npos ? std::string() : pair.substr(colon + 1);
}

}  // namespace tessera
