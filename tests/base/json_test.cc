#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(Json, NamesFileKeyExpectedAndFound) {
  const Json json =
      parse_json(R"({"a": {"n": 3.5, "s": "x", "big": 18446744073709551615}})", "c.json");
  const JsonReader a = JsonReader(json, "c.json").object("a");
  EXPECT_EQ(error_of([&] { a.integer("n", 1, 9); }),
            "c.json: a.n: expected an integer from 1 to 9, found 3.5");
  EXPECT_EQ(error_of([&] { a.integer("big", 1, 9); }),
            "c.json: a.big: expected an integer from 1 to 9, found 18446744073709551615");
  EXPECT_EQ(error_of([&] { a.number("s", 0, 1); }),
            "c.json: a.s: expected a number from 0 to 1, found \"x\"");
  EXPECT_EQ(error_of([&] { a.string("none"); }), "c.json: a.none: expected this key, found none");
  EXPECT_EQ(a.integer_or("none", 7, 0, 9), 7);
}

TEST(Json, RefusesAnObjectOfManyMembersBeforeItGetsSlow) {
  std::string many = "{";
  for (int i = 0; i < 1'000'000; ++i) many += '"' + std::to_string(i) + "\":0,";
  EXPECT_EQ(error_of([&] { parse_json(many, "x"); }),
            "x: JSON object: expected at most 10000 members, found more");
}

TEST(Json, RefusesHostileDocuments) {
  EXPECT_EQ(error_of([] { parse_json(std::string("{}\0{", 4), "x"); }),
            "x: not valid JSON: found a NUL at byte 2");
  EXPECT_THAT(error_of([] { parse_json("{\"a\": 1, \"a\": 2}", "x"); }),
              HasSubstr("each key once"));
  EXPECT_THAT(error_of([] { parse_json(std::string(100000, '['), "x"); }), HasSubstr("nesting"));
  EXPECT_THAT(error_of([] { parse_json("{\"a\": 1", "x"); }), HasSubstr("x: not valid JSON"));
  EXPECT_THAT(error_of([] { parse_json("", "x"); }), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of([] { parse_json("\"\xff\"", "x"); }), HasSubstr("not valid JSON"));
  EXPECT_EQ(parse_json(R"([{"a":1},{"a":2}])", "x").size(), 2U);
}

}  // namespace
}  // namespace tessera
