#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/form/form_tools.h"
#include "tests/form/schema_judge.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Example {
  const char* schema;
  std::vector<const char*> fits, does_not;
};

// Texts as the form takes them; "does_not" has some that the schema itself would allow.
const std::vector<Example>& examples() {
  static const std::vector<Example> kExamples = {
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]})",
       {R"({"a":1})", R"({"a":1,"b":"x"})", "{ \"a\" : -5 ,\n \"b\" : \"\\u00e9\" }"},
       {"{}", R"({"b":"x"})", R"({"b":"x","a":1})", R"({"a":1,"c":2})", R"({"a":1.5})",
        R"({"a":1,})", R"({"a":1 "b":"x"})", R"({"a":1,"a":1})"}},
      {R"({"type":"object","properties":{"a":{},"ab":{"type":"null"},"b":{}}})",
       {"{}", R"({"a":[1,{"x":null}]})", R"({"ab":null})", R"({"a":1,"b":2})",
        R"({"a":1,"ab":null,"b":"\n"})"},
       {R"({"ab":1})", R"({"b":1,"a":1})", R"({,"a":1})"}},
      {R"({"type":"object","properties":{"name":{"type":"string"}},"additionalProperties":true,"required":["name"]})",
       {R"({"name":"x"})", R"({"name":"x","names":1,"nam":{},"":[]})"},
       {"{}", R"({"x":1})", R"({"name":"x","name":2})", R"({"name":1})"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})",
       {"{}", R"({"a":1,"b":2})"},
       {R"({"a":"1"})"}},
      {R"({"type":"object","required":["a"]})",
       {R"({"a":1})", R"({"a":{},"b":1})"},
       {"{}", R"({"b":1})"}},
      {R"({"type":"object"})", {"{}", R"({"a":{"b":[1]}})"}, {"[]", "1"}},
      {R"({"enum":["red","gr\"een",3,null,{"a":[1,2]}]})",
       {R"("red")", R"("gr\"een")", "3", "null", R"({ "a" : [1, 2] })"},
       {R"("re")", "4", R"({"a":[2,1]})", "\"red", "33"}},
      {R"({"type":"string","enum":["a","b"]})", {R"("a")"}, {"a", R"("c")"}},
      {R"({"const":{"k":true}})", {R"({"k":true})"}, {R"({"k":false})", "{}"}},
      {R"({"type":["string","null"],"maxLength":2})",
       {"null", R"("ab")", R"("é天")"},
       {R"("abc")", "1"}},
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", R"("天地é")", R"("\ud83d\ude00a")", R"("😀😀")", R"("\n\t\"")"},
       {R"("a")", R"("abcd")", R"("😀😀😀😀")", R"("\ud83d\ude00")"}},
      {R"({"type":"string","pattern":"^[a-z]+$","maxLength":3})",
       {R"("abc")"},
       {R"("abcd")", R"("A")", R"("")"}},
      {R"({"type":"array","items":{"type":"boolean"}})",
       {"[]", "[true]", "[ true , false ]"},
       {"[1]", "[true,]", "[true false]"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
       {"[1,2]", "[1,2,3]"},
       {"[]", "[1]", "[1,2,3,4]"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":2})",
       {"[1,2]", "[1,2,3,4,5]"},
       {"[]", "[1]"}},
      {R"({"type":"array","maxItems":0})", {"[]", "[ ]"}, {"[1]"}},
      {R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}]})",
       {"[]", R"(["a"])", R"(["a",1])"},
       {R"([1])", R"(["a",1,2])"}},
      {R"({"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"null"},"minItems":1})",
       {R"(["a"])", R"(["a",null,null])"},
       {"[]", R"(["a","b"])"}},
      {R"({"anyOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind","x"]},
                    {"type":"object","properties":{"kind":{"const":"b"},"y":{"type":"string"}},"required":["kind","y"]}]})",
       {R"({"kind":"a","x":1})", R"({"kind":"b","y":"1"})"},
       {R"({"kind":"a","y":"1"})", R"({"kind":"c"})"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"number"},{"type":"array","items":{}},{"type":"array","items":{"type":"string"},"minItems":1}]})",
       {"1", "1.5", "[]", R"(["a",[1]])", R"(["a"])"},
       {"true"}},
      // Any object, or one that begins the same and goes on as the other.
      {R"({"anyOf":[{"type":"object"},{"type":"object","properties":{"a":{"type":"string"}}}]})",
       {"{}", R"({"a":"x"})", R"({"a":1,"b":2})"},
       {"[]"}},
      {R"({"oneOf":[{"type":"string"},{"type":"null"}]})", {"null", R"("")"}, {"1"}},
      {R"({"oneOf":[{"properties":{"t":{"const":"x"}},"required":["t"]},{"properties":{"t":{"const":"y"}},"required":["t"]}]})",
       {R"({"t":"x"})", R"({"t":"y"})"},
       {R"({"t":"z"})", "{}"}},
      {R"({"oneOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]})",
       {R"({"a":null})", R"({"b":null})"},
       {R"({"a":null,"b":null})"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":2}},"required":["a"]},
                    {"type":"object","properties":{"a":{"type":"integer","maximum":4},"b":{"type":"null"}}}]})",
       {R"({"a":2})", R"({"a":4,"b":null})"},
       {R"({"a":5})", R"({"a":1})", "{}"}},
      {R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},
           "required":["v","next"],"additionalProperties":false}},"$ref":"#/$defs/n"})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
       {R"({"v":1})", R"({"v":1,"next":{}})"}},
      {R"({"type":"object","properties":{"child":{"$ref":"#"},"children":{"type":"array","items":{"$ref":"#"}}}})",
       {"{}", R"({"child":{"child":{}}})", R"({"child":{},"children":[{},{"children":[]}]})"},
       {R"({"child":1})"}},
      {R"({"definitions":{"a/b~c%":{"type":"integer"}},"$ref":"#/definitions/a~1b~0c%25","title":"T","description":"D"})",
       {"7"},
       {"\"7\""}},
      {R"({"type":"integer","nullable":true,"x-note":1,"default":3,"examples":[1]})",
       {"null", "5"},
       {"\"\""}},
      {R"({"anyOf":[{"type":"string"}],"nullable":true})", {"null", R"("a")"}, {"5"}},
      {R"({"type":"string","format":"date"})",
       {R"("2024-02-29")", R"("1999-12-31")"},
       {R"("2023-02-29")", R"("2024-13-01")", R"("1900-02-29")", R"("0000-01-01")"}},
      {R"({"type":"string","format":"time"})",
       {R"("23:59:59Z")", R"("00:00:00.5+01:30")"},
       {R"("24:00:00Z")", R"("12:00")"}},
      {R"({"type":"string","format":"date-time"})",
       {R"("2024-02-29T01:02:03Z")"},
       {R"("2024-02-30T01:02:03Z")"}},
      {R"({"type":"string","format":"uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567")"}},
      {R"({"type":"string","format":"email","maxLength":12})",
       {R"("a.b@c-d.org")"},
       {R"("a@b")", R"(".a@b.c")", R"("aaaaaaaa@b.cde")"}},
      {R"({"type":"string","format":"ipv4"})",
       {R"("192.168.0.255")"},
       {R"("256.1.1.1")", R"("01.1.1.1")"}},
      {R"({"type":"string","format":"hostname"})",
       {R"("a-b.example.org")"},
       {R"("-a.org")", R"("a..b")"}},
      {"true", {"1", "[{}]", R"("x")"}, {"", "tru"}},
      {"{}", {"1.5e3", "[]"}, {"nul"}},
      {R"({"minimum":3})", {"3", "4.5"}, {"2", "\"a\""}},
  };
  return kExamples;
}

TEST(SchemaForm, TakesWhatFits) {
  const Vocabulary toy = toy_vocabulary();
  std::mt19937 random(8);
  for (const Example& example : examples()) {
    const FormMatcher form = schema_form(example.schema, toy);
    for (const char* text : example.fits) {
      EXPECT_TRUE(takes(form, text)) << example.schema << "\n" << text;
      EXPECT_TRUE(takes_as_tokens(form, text, random)) << example.schema << "\n" << text;
      // The judge knows plain references.
      if (std::string_view(example.schema).find("%25") != std::string_view::npos) continue;
      EXPECT_EQ(judge_schema(Json::parse(example.schema), Json::parse(text)), "") << text;
    }
    for (const char* text : example.does_not)
      EXPECT_FALSE(takes(form, text)) << example.schema << "\n" << text;
  }
}

TEST(SchemaForm, RandomAnswersFit) {
  const Vocabulary toy = toy_vocabulary();
  std::mt19937 random(9);
  for (const Example& example : examples()) {
    const std::string schema = example.schema;
    if (schema.find("%25") != schema.npos) continue;
    const FormMatcher form = schema_form(schema, toy);
    for (int i = 0; i < 12; ++i) {
      const std::string text = random_answer(form, random, static_cast<int>(random() % 60));
      ASSERT_TRUE(Json::accept(text)) << schema << "\n" << text;
      record_answer(schema, text);
      ASSERT_EQ(judge_schema(Json::parse(schema), Json::parse(text)), "") << schema << "\n" << text;
    }
  }
}

TEST(SchemaForm, SaysWhichKeywordItRefuses) {
  const Vocabulary toy = toy_vocabulary();
  const auto error = [&](const std::string& schema) {
    return error_of([&] { schema_form(schema, toy); });
  };
  EXPECT_THAT(error(R"({"properties":{"a":{"items":{"not":{}}}}})"),
              HasSubstr("form: schema.properties.a.items.not"));
  for (const char* keyword :
       {"not", "if", "patternProperties", "propertyNames", "contains", "minProperties",
        "dependentRequired", "unevaluatedProperties", "$dynamicRef", "maxLenght"})
    EXPECT_THAT(error(Json{{keyword, 1}}.dump()), HasSubstr("schema." + std::string(keyword)));
  EXPECT_THAT(error(R"({"type":"array","uniqueItems":true})"), HasSubstr("schema.uniqueItems"));
  EXPECT_THAT(error(R"({"type":"string","format":"uri"})"),
              AllOf(HasSubstr("schema.format"), HasSubstr("date-time")));
  EXPECT_THAT(error(R"re({"type":"string","pattern":"a(?=b)"})re"),
              AllOf(HasSubstr("schema.pattern at byte 3"), HasSubstr("lookaround")));
  EXPECT_THAT(error(R"({"type":"text"})"), HasSubstr("schema.type"));
  EXPECT_THAT(error(R"({"type":[]})"), HasSubstr("schema.type"));
  EXPECT_THAT(error(R"({"$ref":"http://a/b"})"), HasSubstr("schema.$ref"));
  EXPECT_THAT(error(R"({"$ref":"#/$defs/a"})"), HasSubstr("schema.$ref"));
  EXPECT_THAT(error(R"({"oneOf":[{"type":"number"},{"type":"integer"}]})"),
              HasSubstr("schema.oneOf"));
  EXPECT_THAT(error(R"({"oneOf":[{"required":["a"]},{"required":["b"]}]})"),
              HasSubstr("schema.oneOf"));
  EXPECT_THAT(error(R"({"allOf":[{"type":"string"},{"type":"null"}]})"), HasSubstr("type"));
  EXPECT_THAT(error(R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})"),
              HasSubstr("allOf[1].pattern"));
  EXPECT_THAT(
      error(
          R"({"allOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}}}]})"),
      HasSubstr("additionalProperties"));
  EXPECT_THAT(error(R"({"enum":["ab"],"maxLength":1})"), HasSubstr("schema.maxLength"));
  EXPECT_THAT(error(R"({"enum":[]})"), HasSubstr("schema.enum"));
  EXPECT_THAT(error(R"({"type":"string","enum":[1]})"), HasSubstr("schema.enum"));
  EXPECT_THAT(error(R"({"properties":[]})"), HasSubstr("schema.properties"));
  EXPECT_THAT(error(R"({"properties":{"a":1}})"), HasSubstr("schema.properties.a"));
  EXPECT_THAT(error(R"({"required":"a"})"), HasSubstr("schema.required"));
  EXPECT_THAT(error(R"({"properties":{},"required":["a"],"additionalProperties":false})"),
              HasSubstr("schema.required"));
  EXPECT_THAT(error(R"({"type":"string","minLength":3,"maxLength":2})"),
              HasSubstr("schema.minLength"));
  EXPECT_THAT(error(R"({"type":"string","minLength":-1})"), HasSubstr("schema.minLength"));
  EXPECT_THAT(error(R"({"type":"array","minItems":2,"maxItems":1})"), HasSubstr("schema.minItems"));
  EXPECT_THAT(error("false"), HasSubstr("schema"));
  EXPECT_THAT(error("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("[]"), HasSubstr("a schema"));
  EXPECT_THROW(schema_form("{", toy), UsageError);
}

}  // namespace
}  // namespace tessera
