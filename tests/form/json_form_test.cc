#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "form/form_limits.h"
#include "tests/form/form_tools.h"
#include "tests/form/random_json.h"

namespace tessera {
namespace {

bool is_json_object(const std::string& text) {
  return Json::accept(text) && Json::parse(text).is_object();
}

TEST(JsonForm, TakesWhatRfc8259Has) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form = json_form(toy);
  for (const char* text :
       {"{}", "{ }", R"({"a":1})", R"({ "a" : [ ] , "b" : { } })", "{\n\t\"a\":\r\n[1,2 , 3]\n}",
        R"({"a":[true,false,null,"x",-0,0.5,1e5,1E+99,12e-300,-1.5e3]})",
        R"({"":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\uffff\uD7ff"})",
        "{\"é天😀\":\"\x7F\u0080\uFFFF\"}", R"({"a":1,"a":2})", R"([)"}) {
    EXPECT_EQ(takes(form, text), is_json_object(text)) << text;
  }
}

TEST(JsonForm, RefusesWhatRfc8259HasNot) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form = json_form(toy);
  for (const char* text : {"",
                           "[]",
                           "1",
                           "\"a\"",
                           " {}",
                           "{} ",
                           "{}{}",
                           "{a:1}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":01}",
                           "{\"a\":1.}",
                           "{\"a\":.5}",
                           "{\"a\":+1}",
                           "{\"a\":1e}",
                           "{\"a\":--1}",
                           "{\"a\":tru}",
                           "{\"a\":True}",
                           "{\"a\":[1,]}",
                           "{\"a\":[1 2]}",
                           "{\"a\":'x'}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\ud83d\"}",
                           "{\"a\":\"\\ude00\"}",
                           "{\"a\":\"\\ud83d\\u0041\"}",
                           "{\"a\":\"\xC3\"}",
                           "{\"a\":\"\xFF\"}",
                           "{\"a\":\"\xC0\xAF\"}",
                           "{\"a\":\"\xED\xA0\x80\"}",
                           "{\"a\":\"\xF4\x90\x80\x80\"}",
                           "{\"a\":\"\xE0\x80\x80\"}",
                           "{\"a\":1/**/}",
                           "{\"a\":NaN}"})
    EXPECT_FALSE(takes(form, text)) << text;
}

TEST(JsonForm, SurrogatesComeInPairs) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form = json_form(toy);
  for (int high = 0; high < 256; ++high) {
    const std::string one = fmt::format("\\u{:02x}1F", high);
    const std::string text = "{\"a\":\"" + one + "\"}";
    ASSERT_EQ(takes(form, text), is_json_object(text)) << text;
    for (int low = 0xD7; low < 0xE1; ++low) {
      const std::string two = "{\"a\":\"" + one + fmt::format("\\u{:02X}ab\"}}", low);
      ASSERT_EQ(takes(form, two), is_json_object(two)) << two;
    }
  }
}

TEST(JsonForm, BoundsNestingAndBlanks) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form = json_form(toy);
  const auto nested = [](int arrays) {
    return "{\"a\":" + std::string(arrays, '[') + std::string(arrays, ']') + "}";
  };
  EXPECT_TRUE(takes(form, nested(kMaxFormLevels)));
  EXPECT_FALSE(takes(form, nested(kMaxFormLevels + 1)));
  const auto blank = [](int blanks) { return "{" + std::string(blanks, '\n') + "}"; };
  EXPECT_TRUE(takes(form, blank(kMaxBlanks)));
  EXPECT_FALSE(takes(form, blank(kMaxBlanks + 1)));
}

TEST(JsonForm, RandomAnswersAreJson) {
  for (const Vocabulary& vocabulary :
       {toy_vocabulary(), vocabulary_of(TESSERA_GOLDEN_DIR "/yi_vl_tiny"),
        vocabulary_of(TESSERA_TEXT_DATA_DIR "/bpe/llama3")}) {
    const FormMatcher form = json_form(vocabulary);
    std::mt19937 random(7);
    for (int i = 0; i < 150; ++i) {
      const std::string text = random_answer(form, random, static_cast<int>(random() % 120));
      ASSERT_TRUE(is_json_object(text)) << text;
    }
  }
}

TEST(JsonForm, TakesRandomDocumentsHoweverTheyAreCut) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form = json_form(toy);
  RandomJson source(11);
  for (int i = 0; i < 600; ++i) {
    const std::string text = source.write(source.object(4));
    ASSERT_TRUE(is_json_object(text)) << text;
    ASSERT_TRUE(takes(form, text)) << text;
    ASSERT_TRUE(takes_as_tokens(form, text, source.random())) << text;
  }
}

TEST(JsonForm, RefusesWhatMutationsMakeInvalid) {
  const Vocabulary toy = toy_vocabulary();
  const FormMatcher form = json_form(toy);
  RandomJson source(13);
  int invalid = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string text = source.mutate(source.write(source.object(2)));
    const bool valid = is_json_object(text);
    invalid += !valid;
    if (takes(form, text)) {
      ASSERT_TRUE(valid) << text;
    } else if (valid) {
      // Blanks at the ends are all that the form leaves out of such short texts.
      ASSERT_TRUE(text.front() != '{' || text.back() != '}' || text.size() > 60) << text;
    }
  }
  EXPECT_GT(invalid, 1000);
}

}  // namespace
}  // namespace tessera
