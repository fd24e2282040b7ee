#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/support/error_of.h"
#include "text/regex_syntax.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Parts = std::vector<std::string>;

// The parts of `text`, what matches in brackets.
Parts split(const std::string& pattern, const std::string& text) {
  Parts parts;
  Regex(pattern, "p").split(text, [&](std::string_view part, bool matched) {
    parts.push_back(matched ? "[" + std::string(part) + "]" : std::string(part));
  });
  return parts;
}

TEST(Regex, SplitsIntoWhatMatchesAndWhatDoesNot) {
  EXPECT_THAT(split("a+", "baab"), ElementsAre("b", "[aa]", "b"));
  EXPECT_THAT(split("a", "aab"), ElementsAre("[a]", "[a]", "b"));
  EXPECT_THAT(split("a", ""), ElementsAre());
  EXPECT_THAT(split("a", "bb"), ElementsAre("bb"));
  EXPECT_THAT(split("é|天", "aé天b"), ElementsAre("a", "[é]", "[天]", "b"));
}

TEST(Regex, MeansWhatOnigurumaMeans) {
  EXPECT_THAT(split(R"(\s+(?!\S)|\s+)", "a   b  "), ElementsAre("a", "[  ]", "[ ]", "b", "[  ]"));
  EXPECT_THAT(split(R"(\p{N}{1,3})", "12345"), ElementsAre("[123]", "[45]"));
  EXPECT_THAT(split(R"(\p{N}{2})", "123"), ElementsAre("[12]", "3"));
  EXPECT_THAT(split(R"(\p{N}{2,})", "1 234"), ElementsAre("1 ", "[234]"));
  EXPECT_THAT(split(R"((?i:'s|'ll))", "'S'Ll'ſ"), ElementsAre("['S]", "['Ll]", "['ſ]"));
  EXPECT_THAT(split("(?i:[sdmt]|k)(a)", "SaKaKasb"), ElementsAre("[Sa]", "[Ka]", "[Ka]", "sb"));
  EXPECT_THAT(split("a++b|a?+c|a*?d", "aab ac aad"),
              ElementsAre("[aab]", " ", "[ac]", " ", "[aad]"));
  EXPECT_THAT(split(R"([^\r\n\p{L}-])", "a\nb-c1"), ElementsAre("a\nb-c", "[1]"));
  EXPECT_THAT(split(R"([a\-c\]x-z_^])", "abc-]y^"),
              ElementsAre("[a]", "b", "[c]", "[-]", "[]]", "[y]", "[^]"));
  EXPECT_THAT(split(R"(\S)", "a \u3000b"), ElementsAre("[a]", " \u3000", "[b]"));
  EXPECT_THAT(split(R"(\P{L})", "a1é"), ElementsAre("a", "[1]", "é"));
  EXPECT_THAT(split(R"(\d+\.\/)", "1.2./"), ElementsAre("1.", "[2./]"));
  // White space is what has that property: U+180E is none, U+0085 is.
  EXPECT_THAT(split(R"(\s)", "\u180e\u0085"), ElementsAre("\u180e", "[\u0085]"));
  // Letters and digits of Unicode 16, as the tokenizers package knows them.
  EXPECT_THAT(split(R"(\p{L}+|\p{N})", "\U00010d50\U00010d70\U00010d40\u0378"),
              ElementsAre("[\U00010d50\U00010d70]", "[\U00010d40]", "\u0378"));
  EXPECT_THAT(split(R"(\p{Lu}|\d)", "\U00010d50\U00010d70\U00010d40"),
              ElementsAre("[\U00010d50]", "\U00010d70", "[\U00010d40]"));
}

TEST(Regex, SaysWhichPatternItRefusesAndWhere) {
  const auto error = [](const std::string& pattern) {
    return error_of([&] { Regex(pattern, "file: key"); });
  };
  EXPECT_EQ(error(R"(a\w)"),
            "file: key: pattern: expected what Tessera knows of regular expressions, found \"\\w\" "
            "at byte 2 of \"a\\\\w\"");
  for (const char* pattern :
       {"a)",     "(a",     "[a",       "[]",      "[^]",     "a**",     "*a",       "a{2}+",
        "a{2}?",  "a{,2}",  "a{2",      "a{3,2}",  "a{9999}", "a{",      "^a",       "a$",
        ".",      "a{1",    "(?<n>a)",  "(?<=a)b", "(?>a)",   "(?i)a",   "(?=a)+",   "[[:alpha:]]",
        "[a[b]]", "[a&&b]", "[a-\\d]",  "[\\d-a]", "[z-a]",   "[a-c-e]", "\\b",      "\\1",
        "\\h",    "\\x41",  "\\p{Han}", "\\pL",    "\\p{^L}", "[\\S]",   "[\\P{L}]", "(?i:\\p{L})",
        "(?i:é)", "\\é",    "a\\",      "[\\",     "\\p{",    "(*UTF)a", "a}",       "]"})
    EXPECT_THAT(error(pattern), HasSubstr("file: key: pattern: expected what")) << pattern;
  for (const char* pattern : {"a*", "a?|b", "a|", "|", "(?=a)", "()", "(?:a?){0,3}", "(?!a)"})
    EXPECT_THAT(error(pattern), HasSubstr("matches the empty text")) << pattern;
  EXPECT_THAT(error(""), HasSubstr("a pattern of 1 to 4096 bytes"));
  EXPECT_THAT(error("\xff"), HasSubstr("of UTF-8"));
  EXPECT_THAT(error(std::string(5000, 'a')), HasSubstr("1 to 4096"));
  EXPECT_THAT(error(std::string(40, '(') + "a" + std::string(40, ')')),
              HasSubstr("groups in groups"));
  EXPECT_THAT(error("(((a{1000}){1000}){1000}){1000}"), HasSubstr("PCRE2 refuses"));
}

// A repeated group takes memory for each time, in bounds; sets and single characters do not.
TEST(Regex, AWordOfAMegabyteFitsOrIsRefused) {
  const std::string word(1 << 20, 'a');
  const auto error = [&](const char* pattern) {
    return error_of([&] {
      Regex(pattern, "p").split(word, [&](std::string_view part, bool matched) {
        EXPECT_TRUE(matched);
        EXPECT_EQ(part.size(), word.size());
      });
    });
  };
  EXPECT_EQ(error(R"(\p{L}+)"), "no error");
  EXPECT_EQ(error(R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lo}]*[\p{Ll}\p{Lo}]+(?i:'s|'t)?)"), "no error");
  EXPECT_THAT(error("(?:a|b)+"), HasSubstr("cannot cut this text: found heap limit exceeded"));
}

TEST(Regex, GivesUpOnAPatternThatTriesForever) {
  const Regex pattern("(?:a+)+[bc]", "p");
  EXPECT_THAT(error_of([&] { pattern.split(std::string(64, 'a'), [](std::string_view, bool) {}); }),
              HasSubstr("cannot cut this text: found match limit exceeded"));
}

}  // namespace
}  // namespace tessera
