#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/form/form_tools.h"
#include "tests/form/pattern_judge.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string pick(std::mt19937& random, std::initializer_list<const char*> from) {
  return *(from.begin() + random() % from.size());
}

// Out of few letters, so that texts of the same letters often match.
std::string random_pattern(std::mt19937& random, int depth) {
  std::string out;
  for (auto parts = 1 + random() % 2; parts > 0; --parts) {
    std::string atom =
        pick(random, {"a", "b", "é", "天", ".", "[ab]", "[^a]", "[^é天]", R"(\d)", R"(\w)", R"(\S)",
                      "[a-c\\d]", R"(\u00e9)", R"([\x61-\x63])", R"([\D])", "😀", "(?:)"});
    if (depth > 0 && random() % 2 == 0)
      atom = pick(random, {"(", "(?:", "(?<n>"}) + random_pattern(random, depth - 1) +
             (random() % 2 == 0 ? "|" + random_pattern(random, depth - 1) : "") + ")";
    if (atom.starts_with("(?<n>") && out.find("(?<n>") != out.npos) atom = "a";
    out += atom + pick(random, {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "{0}", "*?"});
  }
  return out;
}

std::string random_text(std::mt19937& random) {
  std::string out;
  for (auto i = random() % 6; i > 0; --i)
    out += pick(random, {"a", "b", "c", "é", "天", "1", " ", "😀"});
  return out;
}

TEST(PatternForm, TakesWhatPcreMatches) {
  const Vocabulary toy = toy_vocabulary();
  std::mt19937 random(3);
  int taken = 0, too_large = 0;
  for (int i = 0; i < 120; ++i) {
    std::string pattern = random_pattern(random, 2);
    if (pattern.find("(?<n>") != pattern.rfind("(?<n>")) continue;  // a name twice
    if (random() % 4 == 0) pattern = "^" + pattern + "$";
    if (error_of([&] { regex_form(pattern, toy); }).find("size") != std::string::npos) {
      ++too_large;
      continue;
    }
    const FormMatcher form = regex_form(pattern, toy);
    for (int j = 0; j < 60; ++j) {
      const std::string text = random_text(random);
      const auto judged = pcre_matches_whole(pattern, text);
      if (!judged) continue;
      const bool matches = *judged;
      ASSERT_EQ(takes(form, text), matches) << pattern << " on " << text;
      if (matches) {
        ASSERT_TRUE(takes_as_tokens(form, text, random)) << pattern << " on " << text;
      }
      taken += matches;
    }
  }
  EXPECT_GT(taken, 400);
  EXPECT_LT(too_large, 5);
}

TEST(PatternForm, RandomAnswersMatch) {
  const Vocabulary toy = toy_vocabulary(), llama = vocabulary_of(TESSERA_GOLDEN_DIR "/yi_vl_tiny");
  std::mt19937 random(4);
  for (const char* pattern :
       {R"(\d{3}-\d{4})", "(yes|no|perhaps)", "[a-z]{1,9}( [a-z]{1,9}){0,4}[.!?]",
        R"(\{"x": (0|[1-9]\d*)\})", "(天|地|é){2,5}", R"([^\x00-\x1f"]{0,30})",
        R"((25[0-5]|1?\d?\d)(\.(25[0-5]|1?\d?\d)){3})", "#[0-9a-fA-F]{6}", ".{3}", "[^a]{2}b"}) {
    for (const Vocabulary& vocabulary : {toy, llama}) {
      const FormMatcher form = regex_form(pattern, vocabulary);
      for (int i = 0; i < 15; ++i) {
        const std::string text = random_answer(form, random, 50);
        ASSERT_TRUE(pcre_matches_whole(pattern, text).value()) << pattern << " on " << text;
      }
    }
  }
}

// JSON Schema's: some part of the string, unless ^ and $ say more.
TEST(PatternForm, SearchesInStringsOfASchema) {
  const Vocabulary toy = toy_vocabulary();
  std::mt19937 random(5);
  int taken = 0;
  for (const char* pattern : {"a", "^a", "a$", "^a$", "^a|b$", "(^a|b)c", "a(b$|c)", "^$", "^",
                              "a|é", "[^a]", "(^ab$)|(^c)", "a.b", "\\d+", "^[a-c]+$"}) {
    const FormMatcher form =
        schema_form(Json{{"type", "string"}, {"pattern", pattern}}.dump(), toy);
    for (int i = 0; i < 120; ++i) {
      const std::string text = random_text(random);
      const bool finds = pcre_finds(pattern, text).value();
      ASSERT_EQ(takes(form, Json(text).dump()), finds) << pattern << " on " << text;
      taken += finds;
    }
  }
  EXPECT_GT(taken, 300);
}

TEST(PatternForm, EscapesInStringsOfASchema) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form =
      schema_form(R"({"type":"string","pattern":"^[\"\\\\\n\u0001/x]*$"})", toy);
  EXPECT_TRUE(takes(form, R"("\"\\\n\u0001/x\u000a")"));
  EXPECT_TRUE(takes(form, R"("\u000A")"));
  EXPECT_FALSE(takes(form, "\"\n\""));
  EXPECT_FALSE(takes(form, R"("\t")"));
  EXPECT_FALSE(takes(form, R"("\\\")"));
}

TEST(PatternForm, SaysWhatItRefusesAndWhere) {
  const Vocabulary toy = toy_vocabulary();
  const auto error = [&](const std::string& pattern) {
    return error_of([&] { regex_form(pattern, toy); });
  };
  EXPECT_THAT(error("ab(?=c)"), AllOf(HasSubstr("regex at byte 4"), HasSubstr("lookaround")));
  EXPECT_THAT(error("(?!a)"), HasSubstr("lookaround"));
  EXPECT_THAT(error("(?<=a)"), HasSubstr("lookaround"));
  EXPECT_THAT(error(R"((a)\1)"), HasSubstr("back-reference"));
  EXPECT_THAT(error(R"(\k<a>)"), HasSubstr("back-reference"));
  EXPECT_THAT(error("(?i)a"), HasSubstr("flags"));
  EXPECT_THAT(error("a++"), HasSubstr("possessive"));
  EXPECT_THAT(error(R"(\bab)"), HasSubstr("\\b"));
  EXPECT_THAT(error(R"(\p{L})"), HasSubstr("\\p"));
  EXPECT_THAT(error("[[:alpha:]]"), HasSubstr("POSIX"));
  EXPECT_THAT(error("a^b"), HasSubstr("a ^ within"));
  EXPECT_THAT(error("(a$)b"), HasSubstr("a $ within"));
  for (const char* pattern :
       {"(",           ")",    "a)",     "[",   "[a",     "[]",   "[b-a]", "[\\d-z]", "*",
        "a**",         "a|*",  "a{2,1}", "a{2", "a{1,x}", "\\",   "\\x1",  "\\u12",   "\\ud83d",
        "\\u{110000}", "(?<a", "(?x)",   "^*",  "\\c1",   "\\01", "\xFF",  "a{,2}"})
    EXPECT_THAT(error(pattern), AllOf(HasSubstr("form: regex"), HasSubstr("expected"))) << pattern;
}

}  // namespace
}  // namespace tessera
