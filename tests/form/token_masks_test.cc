// The masks against trying each token, the promise that no token leads to a dead end, and
// vocabularies that cannot write everything.

#include "form/token_masks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "form/form_limits.h"
#include "tests/form/form_tools.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTree = R"({"$defs":{"tree":{"type":"object","properties":{
  "name":{"type":"string","maxLength":5},"next":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]},
  "more":{"type":"array","items":{"$ref":"#/$defs/tree"},"maxItems":3}},"required":["name","next"]}},
  "$ref":"#/$defs/tree"})";

// As allowed() should be: each token tried by itself.
std::vector<int32_t> tried_tokens(const FormMatcher& matcher) {
  std::vector<int32_t> tokens;
  const auto size = static_cast<int32_t>(matcher.masks().vocabulary().size());
  for (int32_t token = 0; token < size; ++token)
    if (matcher.allows(token)) tokens.push_back(token);
  return tokens;
}

void expect_masks_as_tried(FormMatcher matcher, uint32_t seed, int steps) {
  const FormMatcher start = matcher;
  std::mt19937 random(seed);
  for (int step = 0; step < steps; ++step) {
    const auto tokens = allowed_tokens(matcher);
    ASSERT_EQ(tokens, tried_tokens(matcher));
    ASSERT_FALSE(tokens.empty());
    const int32_t token = tokens[random() % tokens.size()];
    const FormMatcher copy = matcher;
    matcher.accept(token);
    ASSERT_TRUE(copy.allows(token));
    if (matcher.masks().vocabulary().is_end(token)) matcher = start;
  }
}

TEST(TokenMasks, SayWhatTryingEachTokenSays) {
  const Vocabulary toy = toy_vocabulary();
  expect_masks_as_tried(json_form(toy), 1, 1500);
  expect_masks_as_tried(schema_form(kTree, toy), 2, 1500);
  expect_masks_as_tried(regex_form(R"(([a-z]+é?|天{2,3}|\d{1,4}-){1,20})", toy), 3, 500);
  expect_masks_as_tried(json_form(vocabulary_of(TESSERA_TEXT_DATA_DIR "/bpe/llama3")), 4, 300);
}

// Near the deepest nesting, where how much room is left decides.
TEST(TokenMasks, SayItAtEveryDepth) {
  const Vocabulary toy = toy_vocabulary();
  FormMatcher json = json_form(toy);
  for (const char c : std::string_view("{\"a\":")) json.accept(2 + c);
  FormMatcher tree = schema_form(kTree, toy);
  for (int level = 0; level < kMaxFormLevels; ++level) {
    ASSERT_EQ(allowed_tokens(json), tried_tokens(json)) << level;
    json.accept(2 + '[');
    if (!tree.allows(2 + '{')) continue;
    for (const char c : std::string_view("{\"name\":\"a\",\"next\":")) tree.accept(2 + c);
    ASSERT_EQ(allowed_tokens(tree), tried_tokens(tree)) << level;
  }
  EXPECT_EQ(allowed_tokens(json), tried_tokens(json));
  EXPECT_FALSE(json.allows(2 + '['));
  EXPECT_FALSE(tree.allows(2 + '{'));
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    random_answer(json, random, 0);
    random_answer(tree, random, 0);
  }
}

TEST(TokenMasks, AreKeptForStatesAlreadySeen) {
  const Vocabulary toy = toy_vocabulary();
  FormMatcher json = json_form(toy);
  for (const char c : std::string_view("{\"aaa")) {
    json.accept(2 + c);
    allowed_tokens(json);
  }
  const size_t kept = json.masks().kept_masks();
  for (const char c : std::string_view("bbbbb")) {
    json.accept(2 + c);
    allowed_tokens(json);
  }
  EXPECT_EQ(json.masks().kept_masks(), kept);
}

TEST(FormMatcher, EndsWhereTheFormEnds) {
  const Vocabulary toy = toy_vocabulary();
  FormMatcher form = regex_form("ab?", toy);
  EXPECT_FALSE(form.complete());
  EXPECT_THAT(error_of([&] { form.accept(kToyEnd); }), HasSubstr("token 0"));
  form.accept(2 + 'a');
  EXPECT_TRUE(form.complete());
  EXPECT_FALSE(form.finished());
  EXPECT_THAT(error_of([&] { form.accept(2 + 'c'); }), HasSubstr("token 101"));
  form.accept(2 + 'b');
  EXPECT_TRUE(form.finished());
  EXPECT_THAT(allowed_tokens(form), ElementsAre(kToyEnd));
  form.accept(kToyEnd);
  EXPECT_TRUE(form.finished());
}

TEST(FormMatcher, AnEmptyAnswerMayFit) {
  const Vocabulary toy = toy_vocabulary();
  EXPECT_TRUE(regex_form("", toy).finished());
  EXPECT_TRUE(regex_form("a*", toy).complete());
  EXPECT_FALSE(regex_form("a*", toy).finished());
}

// Without a token for "}" by itself, an object can end only in "{}": all else would be a dead end.
TEST(FormMatcher, NeverNeedsABytesThatNoTokenHas) {
  const std::vector<std::string> tokens = {"</s>", "a", "b", "{", "{}", "\"", ":", "1", "ab", "cb"};
  const std::vector<int32_t> ends = {0};
  const auto vocabulary = std::make_shared<const FormVocabulary>(tokens, ends);
  EXPECT_THAT(error_of([&] { json_form(vocabulary); }), HasSubstr("single bytes"));
  FormMatcher form = regex_form("(a|c)b|ac?", vocabulary);
  EXPECT_THAT(allowed_tokens(form), ElementsAre(1, 8, 9));
  form.accept(1);
  EXPECT_THAT(allowed_tokens(form), ElementsAre(0, 2));
}

}  // namespace
}  // namespace tessera
