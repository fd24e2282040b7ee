#include "tessera/error.h"

#include <fmt/format.h>

namespace tessera {
namespace {

std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

void join(std::string& line, const char* between, const std::string& part) {
  if (part.empty()) return;
  if (!line.empty()) line += between;
  line += one_line(part);
}

std::string format_line(const ErrorParts& parts) {
  std::string line;
  join(line, ": ", parts.where);
  join(line, ": ", parts.what);
  if (!parts.expected.empty()) join(line, ": ", "expected " + parts.expected);
  if (!parts.found.empty())
    join(line, parts.expected.empty() ? ": " : ", ", "found " + parts.found);
  if (!parts.hint.empty()) line += " (" + one_line(parts.hint) + ")";
  return line;
}

}  // namespace

Error::Error(ErrorParts parts) : parts_(std::move(parts)), line_(format_line(parts_)) {}

Cancelled::Cancelled() : Error({.what = "cancelled"}) {}

}  // namespace tessera
