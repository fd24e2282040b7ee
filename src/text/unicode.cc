#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/newer_characters.h"

namespace tessera {
namespace {

// The bytes that may follow the first one, from RFC 3629, section 4: only the second byte has a
// range of its own; the later ones are always 80-BF.
struct Sequence {
  size_t bytes;  // 0: no character begins so
  uint8_t second_min, second_max;
};

Sequence sequence_of(uint8_t first) {
  if (first < 0x80) return {1, 0, 0};
  if (first < 0xC2) return {0, 0, 0};  // a later byte, or an overlong form
  if (first < 0xE0) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};  // above are the surrogates
  if (first < 0xF0) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first < 0xF4) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Start read_utf8(std::string_view text) {
  constexpr Utf8Start kInvalid = {Utf8Start::Kind::kInvalid, 1, 0xFFFD};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const Sequence sequence = sequence_of(byte(0));
  if (sequence.bytes == 0) return kInvalid;
  if (sequence.bytes == 1) return {Utf8Start::Kind::kCharacter, 1, byte(0)};

  char32_t code_point = byte(0) & (0x7FU >> sequence.bytes);
  const size_t there = std::min(text.size(), sequence.bytes);
  for (size_t i = 1; i < there; ++i) {
    const uint8_t min = i == 1 ? sequence.second_min : 0x80;
    const uint8_t max = i == 1 ? sequence.second_max : 0xBF;
    if (byte(i) < min || byte(i) > max) return kInvalid;
    code_point = code_point << 6 | (byte(i) & 0x3FU);
  }
  if (there < sequence.bytes) return {Utf8Start::Kind::kIncomplete, there, 0xFFFD};
  return {Utf8Start::Kind::kCharacter, there, code_point};
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Start start = read_utf8(text);
    if (start.kind != Utf8Start::Kind::kCharacter) return false;
    text.remove_prefix(start.bytes);
  }
  return true;
}

size_t broken_sequence_bytes(std::string_view text) {
  size_t bytes = std::min<size_t>(text.size(), 3);
  while (bytes > 1 && read_utf8(text.substr(0, bytes)).kind != Utf8Start::Kind::kIncomplete)
    --bytes;
  return bytes;
}

std::string to_valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const Utf8Start start = read_utf8(text);
    const bool whole = start.kind == Utf8Start::Kind::kCharacter;
    const size_t bytes = whole ? start.bytes : broken_sequence_bytes(text);
    valid += whole ? text.substr(0, bytes) : kReplacementCharacter;
    text.remove_prefix(bytes);
  }
  return valid;
}

bool is_unicode_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

namespace {

// Of the characters that utf8proc has not heard of.
bool is_newer_word_character(char32_t c) {
  for (const NewerCharacters& newer : kNewerCharacters)
    if (c >= newer.first && c <= newer.last)
      return newer.category[0] == 'L' || newer.category == "M" || newer.category == "Nd";
  return false;
}

}  // namespace

bool is_white_space_property(char32_t c) {
  return is_unicode_space(c) && !(c >= 0x1C && c <= 0x1F);
}

bool is_word_character(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    case UTF8PROC_CATEGORY_CN:
      return is_newer_word_character(c);
    default:
      break;
  }
  // The joiners; then letters in circles and squares, which are symbols, yet alphabetic.
  return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

std::string_view strip_left(std::string_view text, bool (*is_space)(char32_t)) {
  while (!text.empty()) {
    const Utf8Start start = read_utf8(text);
    if (!is_space(start.code_point)) break;
    text.remove_prefix(start.bytes);
  }
  return text;
}

std::string_view strip_right(std::string_view text, bool (*is_space)(char32_t)) {
  while (!text.empty()) {
    // Back to the byte that begins the last character; white space takes three bytes at most.
    size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 3 && (static_cast<uint8_t>(text[begin]) >> 6) == 2)
      --begin;
    const Utf8Start start = read_utf8(text.substr(begin));
    if (begin + start.bytes != text.size() || !is_space(start.code_point)) break;
    text = text.substr(0, begin);
  }
  return text;
}

}  // namespace tessera
