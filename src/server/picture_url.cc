#include "server/picture_url.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>

#include "base/base64.h"
#include "base/units.h"
#include "server/request_error.h"

namespace tessera {
namespace {

constexpr std::array<std::string_view, 5> kTypes = {"image/jpeg", "image/jpg", "image/png",
                                                    "image/webp", "image/gif"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// A URL as an error shows it: how it begins, and nothing of a picture.
std::string shown(std::string_view url) {
  return std::string(url.substr(0, std::min<size_t>(url.find(','), 60)));
}

[[noreturn]] void refuse_remote(std::string_view url, const std::string& param) {
  throw HttpError({.code = "invalid_image_url", .param = param},
                  {.where = "request",
                   .what = param,
                   .expected = "a data: URL (data:image/png;base64,...)",
                   .found = shown(url),
                   .hint = "this server fetches no pictures; send the picture itself"});
}

[[noreturn]] void refuse(const std::string& param, std::string expected, std::string found) {
  throw HttpError({.code = "invalid_image_url", .param = param}, {.where = "request",
                                                                  .what = param,
                                                                  .expected = std::move(expected),
                                                                  .found = std::move(found)});
}

}  // namespace

Picture picture_of_url(std::string_view url, const std::string& param, uint64_t max_bytes) {
  if (lower(url.substr(0, 5)) != "data:") refuse_remote(url, param);
  const size_t comma = url.find(',');
  if (comma == url.npos) refuse(param, "a comma after the type", shown(url));
  const std::string head = lower(url.substr(5, comma - 5));
  constexpr std::string_view kBase64 = ";base64";
  if (!head.ends_with(kBase64)) refuse(param, "data:TYPE;base64,", shown(url));
  const std::string type = head.substr(0, head.find(';'));
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end())
    refuse(param, "image/jpeg, image/png, image/webp or image/gif", shown(url));

  const std::string_view text = url.substr(comma + 1);
  if (text.size() / 4 * 3 > max_bytes + 2)
    throw HttpError({.code = "image_too_large", .param = param},
                    {.where = "request",
                     .what = param,
                     .expected = "a picture of at most " + format_bytes(max_bytes),
                     .found = format_bytes(text.size() / 4 * 3)});
  std::optional<std::string> bytes = decode_base64(text);
  if (!bytes) refuse(param, "base64 after the comma", "something else");
  if (bytes->empty()) refuse(param, "a picture", "nothing after the comma");
  return {.name = param, .bytes = std::make_shared<const std::string>(*std::move(bytes))};
}

}  // namespace tessera
