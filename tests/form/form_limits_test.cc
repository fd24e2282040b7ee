// Forms that a stranger could send to make the server work: each is refused, or compiled, soon.

#include "form/form_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "form/form.h"
#include "tests/form/form_tools.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// Of processor time. A third of a second is usual; sanitizers take ten times as long.
constexpr double kLongest_s = 10;

std::string error_soon(AnswerForm::Kind kind, const std::string& definition) {
  const double begin_s = process_cpu_s();
  const std::string error =
      error_of([&] { compile_form({.kind = kind, .definition = definition}); });
  const double took_s = process_cpu_s() - begin_s;
  EXPECT_LT(took_s, kLongest_s) << definition.substr(0, 80);
  return error;
}

TEST(FormLimits, RefuseExpressionsThatExplode) {
  const auto error = [](const std::string& pattern) {
    return error_soon(AnswerForm::Kind::kRegex, pattern);
  };
  EXPECT_THAT(error("a{10001}"), HasSubstr("at most 10000 repeats"));
  EXPECT_THAT(error("((a{1000}){1000}){1000}"), HasSubstr("size"));
  EXPECT_THAT(error("(((){10000}){10000}){10000}"), HasSubstr("size"));
  EXPECT_THAT(error("(a|b)*a(a|b){40}"), HasSubstr("size"));
  EXPECT_THAT(error("(a?){9000}a{9000}"), HasSubstr("size"));
  EXPECT_THAT(error(repeated("(", 100) + repeated(")", 100)), HasSubstr("groups in groups"));
  EXPECT_THAT(error(std::string(20'000, 'a')), HasSubstr("at most 16384 bytes"));
  EXPECT_EQ(error("[a-z]{1,2000}"), "no error");
  EXPECT_EQ(error(std::string(16'000, 'a')), "no error");
  EXPECT_EQ(error("(" + repeated("word|", 3000) + "x)"), "no error");
}

TEST(FormLimits, RefuseSchemasThatExplode) {
  const auto error = [](const std::string& schema) {
    return error_soon(AnswerForm::Kind::kJsonSchema, schema);
  };
  EXPECT_THAT(error(repeated("[", 100'000)), HasSubstr("JSON nesting"));
  EXPECT_THAT(error(repeated(R"({"items":)", 1000) + "{}" + repeated("}", 1000)),
              HasSubstr("JSON nesting"));
  EXPECT_THAT(error("\"" + std::string(300'000, 'a') + "\""), HasSubstr("at most 262144 bytes"));
  EXPECT_THAT(error(R"({"$ref":"#"})"), HasSubstr("references"));
  EXPECT_THAT(
      error(R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})"),
      HasSubstr("references"));
  EXPECT_THAT(error(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})"), HasSubstr("back to itself"));
  EXPECT_THAT(error(R"({"allOf":[{"$ref":"#"}]})"), HasSubstr("references"));
  EXPECT_THAT(error(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})"),
              HasSubstr("ends within the levels"));
  EXPECT_THAT(error(R"({"type":"array","minItems":20000})"), HasSubstr("minItems"));
  // Two lists for ever alike: no next byte tells them apart.
  EXPECT_THAT(error(R"({"$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/a"}},
      "b":{"type":"array","items":{"$ref":"#/$defs/b"},"maxItems":2}},
      "anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}]})"),
              AllOf(HasSubstr("expected"), HasSubstr("for ever")));
  // Doubling: each definition has the one before twice.
  std::string doubled = R"({"$defs":{"d0":{"type":"string"})";
  for (int i = 1; i < 60; ++i) {
    const std::string before = R"({"$ref":"#/$defs/d)" + std::to_string(i - 1) + "\"}";
    doubled += ",\"d" + std::to_string(i) + R"(":{"type":"object","properties":{"a":)" + before +
               ",\"b\":" + before + "}}";
  }
  EXPECT_EQ(error(doubled + R"(},"$ref":"#/$defs/d59"})"), "no error");
  std::string merged = R"({"$defs":{"d0":{"properties":{"a":{"type":"string"}}})";
  for (int i = 1; i < 60; ++i) {
    const std::string before = R"({"$ref":"#/$defs/d)" + std::to_string(i - 1) + "\"}";
    merged += ",\"d" + std::to_string(i) + R"(":{"allOf":[)" + before + "," + before +
              R"(,{"properties":{"b":{"pattern":")" + std::to_string(i) + "\"}}}]}";
  }
  error(merged + R"(},"$ref":"#/$defs/d59"})");
  std::string many = R"({"type":"object","properties":{)";
  for (int i = 0; i < 3000; ++i)
    many += (i > 0 ? ",\"name" : "\"name") + std::to_string(i) + R"(":{"type":"string"})";
  error(many + "}}");
  EXPECT_EQ(error(R"({"type":"string","maxLength":10000})"), "no error");
  EXPECT_EQ(error(R"({"type":"array","items":{"type":"integer"},"maxItems":5000})"), "no error");
}

}  // namespace
}  // namespace tessera
