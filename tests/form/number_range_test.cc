#include "form/number_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/form/form_tools.h"
#include "tests/form/schema_judge.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(Decimal, IsWhatIsWritten) {
  const auto text = [](const char* json) {
    const auto decimal = decimal_of(Json::parse(json));
    return decimal ? (decimal->negative ? "-" : "") + decimal->whole + "." + decimal->fraction : "";
  };
  EXPECT_EQ(text("0"), "0.");
  EXPECT_EQ(text("-0.0"), "0.");
  EXPECT_EQ(text("12.50"), "12.5");
  EXPECT_EQ(text("-1e3"), "-1000.");
  EXPECT_EQ(text("1.5e-7"), "0.00000015");
  EXPECT_EQ(text("1e300"), "");
  EXPECT_EQ(text("18446744073709551615"), "18446744073709551615.");
}

// Every integer around the bounds, and decimals around them.
TEST(NumberRange, TakesExactlyWhatLiesWithin) {
  const Vocabulary toy = toy_vocabulary();
  for (const char* schema :
       {R"({"type":"integer","minimum":0,"maximum":10})", R"({"type":"integer","minimum":-7})",
        R"({"type":"integer","maximum":-13})", R"({"type":"integer","minimum":-120,"maximum":99})",
        R"({"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":100})",
        R"({"type":"integer","exclusiveMinimum":-1})",
        R"({"type":"integer","minimum":2.5,"maximum":6.5})",
        R"({"type":"integer","multipleOf":7,"minimum":-30,"maximum":60})",
        R"({"type":"integer","minimum":3,"exclusiveMinimum":3,"maximum":120})",
        R"({"type":"integer","multipleOf":12})", R"({"type":"integer","exclusiveMaximum":-99})"}) {
    const FormMatcher form = schema_form(schema, toy);
    const Json parsed = Json::parse(schema);
    for (int i = -1100; i <= 1100; ++i)
      ASSERT_EQ(takes(form, std::to_string(i)), judge_schema(parsed, i).empty()) << schema << i;
  }
  for (const char* schema :
       {R"({"type":"number","minimum":0,"maximum":1})", R"({"type":"number","exclusiveMinimum":0})",
        R"({"type":"number","minimum":-0.25,"exclusiveMaximum":1.5})",
        R"({"type":"number","exclusiveMinimum":-1.5,"maximum":-0.05})",
        R"({"type":"number","maximum":12.34})", R"({"type":"number","exclusiveMaximum":0})",
        R"({"type":"number","minimum":9.99,"maximum":10.01})"}) {
    const FormMatcher form = schema_form(schema, toy);
    const Json parsed = Json::parse(schema);
    for (int i = -2000; i <= 2000; ++i) {
      for (const int unit : {1000, 100, 20}) {
        const std::string text = Json(static_cast<double>(i) / unit).dump();
        const Json value = Json::parse(text);
        if (i == 0) continue;  // "-0.0"
        ASSERT_EQ(takes(form, text), judge_schema(parsed, value).empty()) << schema << " " << text;
      }
    }
  }
}

TEST(NumberRange, RandomAnswersLieWithin) {
  const Vocabulary toy = toy_vocabulary();
  std::mt19937 random(6);
  for (const char* schema :
       {R"({"type":"number","minimum":-3.75,"maximum":0.125})",
        R"({"type":"number","exclusiveMinimum":0})",
        R"({"type":"integer","multipleOf":9,"minimum":100})", R"({"type":"number"})",
        R"({"type":"integer","minimum":123456789,"maximum":123456999})", R"({"type":"integer"})"}) {
    const FormMatcher form = schema_form(schema, toy);
    for (int i = 0; i < 40; ++i) {
      const std::string text = random_answer(form, random, static_cast<int>(random() % 30));
      ASSERT_TRUE(Json::accept(text)) << text;
      ASSERT_EQ(judge_schema(Json::parse(schema), Json::parse(text)), "") << text;
    }
  }
}

TEST(NumberRange, SaysWhenNothingLiesWithin) {
  const Vocabulary toy = toy_vocabulary();
  const auto error = [&](const char* schema) {
    return error_of([&] { schema_form(schema, toy); });
  };
  EXPECT_THAT(error(R"({"type":"integer","minimum":3,"maximum":2})"), HasSubstr("nothing fits"));
  EXPECT_THAT(error(R"({"type":"integer","minimum":0.2,"maximum":0.8})"),
              HasSubstr("nothing fits"));
  EXPECT_THAT(error(R"({"type":"integer","minimum":1e30})"), HasSubstr("nothing fits"));
  EXPECT_THAT(error(R"({"type":"number","minimum":"1"})"), HasSubstr("schema.minimum"));
  EXPECT_THAT(error(R"({"type":"number","multipleOf":0.1})"), HasSubstr("schema.multipleOf"));
}

}  // namespace
}  // namespace tessera
