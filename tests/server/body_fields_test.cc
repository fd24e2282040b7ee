#include "server/body_fields.h"

#include <gtest/gtest.h>

#include "tests/server/refused_field.h"

namespace tessera {
namespace {

TEST(BodyFields, TakesOneObjectOfJson) {
  EXPECT_EQ(parse_body(R"({"a": [1, "é"]})").size(), 1);
  for (const std::string body :
       {"", "{", "[]", "null", "1", "\"a\"", "{} {}", "{\"a\": NaN}", "{\"a\": \"\xff\"}",
        "{\"a\": 1, \"a\": 2}", "{\"a\": \"\\ud800\"}"})
    EXPECT_EQ(refused_field([&] { parse_body(body); }), "-") << body;
  EXPECT_EQ(refused_field([] { parse_body(std::string("{}\0", 3)); }), "-");
}

TEST(BodyFields, RefusesDeepNestingBeforeItIsBuilt) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(refused_field([&] { parse_body("{\"a\": " + deep); }), "-");
}

TEST(BodyFields, TakesNullForAbsent) {
  const Json json = {{"a", nullptr}};
  const BodyFields body(json, "");
  EXPECT_FALSE(body.has("a"));
  EXPECT_EQ(body.integer("a", 7, 0, 9), 7);
  EXPECT_EQ(body.number("b", 0.5, 0, 1), 0.5);
  EXPECT_EQ(body.string("a", "x"), "x");
  EXPECT_TRUE(body.boolean("a", true));
  EXPECT_EQ(refused_field([&] { body.at("a"); }), "a missing_required_parameter");
}

TEST(BodyFields, NamesTheWholePath) {
  const Json json = {{"a", "no"}};
  EXPECT_EQ(refused_field([&] { BodyFields(json, "x[3].y").integer("a", 0, 0, 1); }), "x[3].y.a");
  EXPECT_EQ(refused_field([&] { BodyFields(json.at("a"), "x[3]"); }), "x[3]");
}

TEST(BodyFields, IntegersAreWholeAndInRange) {
  const auto read = [](const char* text) {
    const Json json = {{"a", Json::parse(text)}};
    return BodyFields(json, "").integer("a", 0, -5, int64_t{1} << 40);
  };
  EXPECT_EQ(read("256.0"), 256);
  EXPECT_EQ(read("-5"), -5);
  EXPECT_EQ(read("1099511627776"), int64_t{1} << 40);
  for (const char* text :
       {"1.5", "-6", "1099511627777", "18446744073709551615", "1e300", "\"1\"", "true", "[]"})
    EXPECT_EQ(refused_field([&] { read(text); }), "a") << text;
}

TEST(BodyFields, NumbersAreInRange) {
  const auto read = [](const char* text) {
    const Json json = {{"a", Json::parse(text)}};
    return BodyFields(json, "").number("a", 0, 0, 2);
  };
  EXPECT_EQ(read("2"), 2);
  EXPECT_EQ(read("0.25"), 0.25);
  for (const char* text : {"2.1", "-0.1", "\"1\"", "false", "{}"})
    EXPECT_EQ(refused_field([&] { read(text); }), "a") << text;
}

TEST(BodyFields, TokenIdsAreNumbersFromZeroOn) {
  const auto read = [](const char* text) {
    const Json json = {{"a", Json::parse(text)}};
    return BodyFields(json, "").token_ids("a", 3);
  };
  EXPECT_EQ(read("[0, 2147483647]"), (std::vector<int32_t>{0, 2147483647}));
  EXPECT_EQ(refused_field([&] { read("[1, 2, 3, 4]"); }), "a");
  EXPECT_EQ(refused_field([&] { read("[1, -1]"); }), "a[1]");
  EXPECT_EQ(refused_field([&] { read("[2147483648]"); }), "a[0]");
  EXPECT_EQ(read("[28.0]"), std::vector<int32_t>{28});
  EXPECT_EQ(refused_field([&] { read("[1.5]"); }), "a[0]");
  EXPECT_EQ(refused_field([&] { read("\"1\""); }), "a");
}

TEST(BodyFields, RefusesOnlyWhatWouldMatter) {
  const Json json = {{"a", false},          {"b", nullptr}, {"c", Json::array()}, {"d", 0},
                     {"e", Json::object()}, {"f", 1},       {"g", "x"},           {"h", true}};
  const BodyFields body(json, "");
  EXPECT_EQ(refused_field([&] { body.refuse({"a", "b", "c", "d", "e", "z"}, ""); }), "taken");
  for (const char* key : {"f", "g", "h"})
    EXPECT_EQ(refused_field([&] { body.refuse({key}, ""); }),
              std::string(key) + " unsupported_parameter");
}

}  // namespace
}  // namespace tessera
