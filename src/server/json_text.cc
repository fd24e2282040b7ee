#include "server/json_text.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <iterator>

namespace tessera {
namespace {

uint8_t byte_at(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

// What may follow a lead byte, and how many bytes the character has (Unicode 15, table 3-7).
struct Sequence {
  size_t length = 0;  // 0: not a lead byte
  uint8_t second_min = 0x80, second_max = 0xbf;
};

Sequence sequence_of(uint8_t lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return {.length = 2};
  if (lead == 0xe0) return {.length = 3, .second_min = 0xa0};
  if (lead == 0xed) return {.length = 3, .second_max = 0x9f};
  if (lead >= 0xe1 && lead <= 0xef) return {.length = 3};
  if (lead == 0xf0) return {.length = 4, .second_min = 0x90};
  if (lead >= 0xf1 && lead <= 0xf3) return {.length = 4};
  if (lead == 0xf4) return {.length = 4, .second_max = 0x8f};
  return {};
}

// Bytes from `i` on that begin a character as they should: all of it, or as far as it is right.
size_t good_bytes(std::string_view text, size_t i, const Sequence& sequence) {
  size_t good = 1;
  while (good < sequence.length && i + good < text.size()) {
    const uint8_t next = byte_at(text, i + good);
    const uint8_t min = good == 1 ? sequence.second_min : 0x80;
    const uint8_t max = good == 1 ? sequence.second_max : 0xbf;
    if (next < min || next > max) break;
    ++good;
  }
  return good;
}

// A quote, a backslash or a control character.
void append_escape(std::string& out, uint8_t byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t plain = 0;  // from here on, nothing has been written
  const auto flush = [&](size_t end) { out.append(text, plain, end - plain); };
  for (size_t i = 0; i < text.size();) {
    const uint8_t byte = byte_at(text, i);
    if (byte < 0x80) {
      if (byte < 0x20 || byte == '"' || byte == '\\') {
        flush(i);
        append_escape(out, byte);
        plain = i + 1;
      }
      ++i;
      continue;
    }
    const Sequence sequence = sequence_of(byte);
    const size_t good = good_bytes(text, i, sequence);
    if (good != sequence.length) {
      flush(i);
      out += "\xef\xbf\xbd";
      plain = i + good;
    }
    i += good;
  }
  flush(text.size());
  out += '"';
}

void append_logprob(std::string& out, float logprob) {
  if (std::isfinite(logprob)) {
    fmt::format_to(std::back_inserter(out), "{}", logprob);
  } else {
    out += "-9999.0";
  }
}

}  // namespace tessera
