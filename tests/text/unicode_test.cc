#include "text/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/text/utf8.h"

namespace tessera {
namespace {

using Kind = Utf8Start::Kind;

TEST(Unicode, ReadsEveryCharacterAndHoldsItsBeginnings) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = utf8(c);
    const Utf8Start start = read_utf8(text);
    ASSERT_EQ(start.kind, Kind::kCharacter) << c;
    ASSERT_EQ(start.bytes, text.size()) << c;
    ASSERT_EQ(start.code_point, c);
    for (size_t bytes = 1; bytes < text.size(); ++bytes)
      ASSERT_EQ(read_utf8(std::string_view(text).substr(0, bytes)).kind, Kind::kIncomplete) << c;
  }
}

// Exhaustive over two bytes: the two are "incomplete" or a character exactly if some character
// begins with them.
TEST(Unicode, ASequenceIsIncompleteOnlyIfSomeCharacterBeginsSo) {
  std::vector<bool> begins(65536, false);
  for (uint32_t c = 0x80; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = utf8(c);
    begins[static_cast<size_t>(static_cast<uint8_t>(text[0]) << 8 |
                               static_cast<uint8_t>(text[1]))] = true;
  }
  for (uint32_t first = 0x80; first < 256; ++first)
    for (uint32_t second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(read_utf8(text).kind != Kind::kInvalid, begins[first << 8 | second])
          << first << " " << second;
    }
}

TEST(Unicode, RefusesOverlongSurrogatesAndTooLarge) {
  for (const char* bad :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xFF", "\xE4\xB8z"}) {
    EXPECT_EQ(read_utf8(bad).kind, Kind::kInvalid) << bad;
    EXPECT_EQ(read_utf8(bad).bytes, 1U);
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_TRUE(is_valid_utf8("aé中🎉"));
  EXPECT_FALSE(is_valid_utf8("a\xE4\xB8"));
}

// python3 -c 'print([hex(c) for c in range(0x110000) if chr(c).isspace()])'
TEST(Unicode, WhiteSpaceIsPythons) {
  const std::vector<uint32_t> python = {
      0x9,    0xa,    0xb,    0xc,    0xd,    0x1c,   0x1d,   0x1e,   0x1f,   0x20,
      0x85,   0xa0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
      0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
  std::vector<uint32_t> ours;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c)
    if (is_unicode_space(c)) ours.push_back(c);
  EXPECT_EQ(ours, python);
  for (const uint32_t c : python) {
    const std::string space = utf8(c);
    EXPECT_EQ(strip_left(space + "a" + space), "a" + space) << c;
    EXPECT_EQ(strip_right(space + "a" + space + space), space + "a") << c;
    EXPECT_EQ(strip_right(space + space), "") << c;
    EXPECT_EQ(strip_right("é" + space), "é") << c;
  }
  EXPECT_EQ(strip_right("a\x80"), "a\x80");
  EXPECT_EQ(strip_right("\xE3\x80"), "\xE3\x80");
  EXPECT_EQ(strip_right("🎉"), "🎉");
}

TEST(Unicode, TheWhiteSpacePropertyHasNoControlsOfOldTerminals) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c)
    ASSERT_EQ(is_white_space_property(c), is_unicode_space(c) && (c < 0x1C || c > 0x1F)) << c;
  EXPECT_EQ(strip_left("\x1c a", is_white_space_property), "\x1c a");
  EXPECT_EQ(strip_right("a\u3000\x85", is_white_space_property), "a\u3000\x85");
  EXPECT_EQ(strip_right("a\u3000", is_white_space_property), "a");
}

TEST(Unicode, WordsAreLettersMarksDigitsAndConnectors) {
  for (const char32_t c :
       U"aZ_9é天\u0301\u0660\u203f\u200c\u200d\u24d0\u2160\U0001F170"
       U"\U00010d40\U00010d50\u0897")
    EXPECT_EQ(is_word_character(c), c != 0) << static_cast<uint32_t>(c);  // 0: the end
  for (const char32_t c : U" .-$\u00b2\u00bd\u2014\u200b\u3000😀\u0378\ufffd\U00016d6d")
    EXPECT_FALSE(is_word_character(c)) << static_cast<uint32_t>(c);
}

// python3 -c 'print(bytes.fromhex("...").decode(errors="replace"))'
TEST(Unicode, MendsTextAsPythonDoes) {
  const std::string bad(kReplacementCharacter);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"aé天🎉", "aé天🎉"},
      {"\xff", bad},
      {"\xc0\x80", bad + bad},
      {"\xed\xa0\x80", bad + bad + bad},
      {"\xe4\xb8", bad},
      {"\xe4\xb8z", bad + "z"},
      {"\xe4\xb8\xe4\xb8\xad", bad + "中"},
      {"\xf0\x9f\x90", bad},
      {"a\xf0\x9f\x90 b", "a" + bad + " b"},
      {"\xf0\x9f", bad},
      {"\xf0\x8f\xbf\xbf", bad + bad + bad + bad},
      {"\xf4\x90\x80\x80", bad + bad + bad + bad},
      {"\xf5\x80", bad + bad},
      {"\xe0\x9f\xbf", bad + bad + bad},
      {"\xc3\x28", bad + "("}};
  for (const auto& [broken, mended] : cases) EXPECT_EQ(to_valid_utf8(broken), mended);
}

}  // namespace
}  // namespace tessera
