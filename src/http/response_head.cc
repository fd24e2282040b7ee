#include "http/response_head.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "http/ascii.h"
#include "http/http_errors.h"

namespace tessera {
namespace {

bool can_be_sent(const std::string& name, const std::string& value) {
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_token_character) &&
         std::none_of(value.begin(), value.end(), is_control);
}

void add(std::string& head, const std::string& name, const std::string& value) {
  if (can_be_sent(name, value)) head += name + ": " + value + "\r\n";
}

}  // namespace

std::string response_head(const HttpResponse& response, const HttpHeaders& more,
                          const AnswerFraming& framing) {
  // In English and in GMT, whatever the locale: RFC 9110, section 5.6.7.
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", response.status,
                  reason_phrase(response.status), fmt::gmtime(std::time(nullptr)));
  if (!response.content_type.empty()) add(head, "Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(head, name, value);
  for (const auto& [name, value] : more) add(head, name, value);
  if (framing.chunked) add(head, "Transfer-Encoding", "chunked");
  if (framing.content_length) add(head, "Content-Length", std::to_string(*framing.content_length));
  if (framing.close) {
    add(head, "Connection", "close");
  } else if (!framing.http11) {
    add(head, "Connection", "keep-alive");
  }
  return head + "\r\n";
}

std::string chunk_of(std::string_view piece) {
  if (piece.empty()) return {};
  return fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
}

}  // namespace tessera
