#include "text/byte_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace tessera {
namespace {

struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<int, 0x144> byte;  // by code point; -1: stands for none

  Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
      const char32_t c = printable ? static_cast<char32_t>(b) : next++;
      byte[c] = b;
      // All of them lie below U+0800: one byte of UTF-8, or two.
      std::string& utf8 = spelling[static_cast<size_t>(b)];
      if (c >= 0x80) utf8.push_back(static_cast<char>(0xC0 | c >> 6));
      utf8.push_back(static_cast<char>(c < 0x80 ? c : 0x80 | (c & 0x3F)));
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet kAlphabet;
  return kAlphabet;
}

}  // namespace

std::string_view spell_byte(unsigned char byte) {
  return alphabet().spelling[byte];
}

std::optional<std::string> spelled_bytes(std::string_view token) {
  const auto& byte = alphabet().byte;
  std::string bytes;
  while (!token.empty()) {
    const Utf8Start start = read_utf8(token);
    if (start.code_point >= byte.size() || byte[start.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte[start.code_point]));
    token.remove_prefix(start.bytes);
  }
  return bytes;
}

}  // namespace tessera
