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

TEST(Json, RefusesAListOfManyObjectsBeforeItGetsSlow) {
  std::string many = "[";
  for (int i = 0; i < 300'000; ++i) many += "{},";
  EXPECT_EQ(error_of([&] { parse_json(many, "x"); }),
            "x: JSON list: expected at most 10000 objects, found more");
}

TEST(Json, HandsOverTablesAndKeepsThemOutOfTheTree) {
  std::string seen;
  const auto note = [&](const std::string& key, const Json& value) {
    seen += key + "=" + value.dump() + " ";
  };
  const std::vector<JsonTable> tables = {{"a.t", note}, {"a.l", note}};
  const std::string text =
      R"({"a.t": {"not": "it"}, "t": [1], "a": {"l": ["x", ["y", 2], {"z": {}}], "k": {"t": 1},
          "t": {"p": 1, "q": null, "p": "s"}, "n": [{"t": {"u": 3}}]}, "b": {"t": {"v": 4}}})";
  const Json tree = parse_json(text, "c.json", tables);
  EXPECT_EQ(seen, R"(="x" =["y",2] ={"z":{}} p=1 q=null p="s" )");
  EXPECT_EQ(tree, parse_json(R"({"a.t": {"not": "it"}, "t": [1], "a": {"l": [], "k": {"t": 1},
          "t": {}, "n": [{"t": {"u": 3}}]}, "b": {"t": {"v": 4}}})",
                             "c.json"));
}

TEST(Json, ATableIsAsLargeAsItLikesButFlat) {
  std::string many = R"({"t": {)";
  for (int i = 0; i < 300'000; ++i) many += '"' + std::to_string(i) + "\":0,";
  many += R"("last": 1}})";
  size_t entries = 0;
  const std::vector<JsonTable> tables = {
      {"t", [&](const std::string&, const Json&) { ++entries; }}};
  parse_json(many, "x", tables);
  EXPECT_EQ(entries, 300'001U);
  EXPECT_EQ(error_of([&] { parse_json(R"({"t": {"p": {"q": 1}}})", "x", tables); }),
            "x: t.p: expected a value, found an object");
  EXPECT_EQ(error_of([&] { parse_json(R"({"t": {"p": [1]}})", "x", tables); }),
            "x: t.p: expected a value, found a list");
  const std::vector<JsonTable> strict = {
      {"t", [](const std::string& key, const Json&) { throw Error({.where = "w", .what = key}); }}};
  EXPECT_EQ(error_of([&] { parse_json(R"({"t": {"p": 1}})", "x", strict); }), "w: p");
}

}  // namespace
}  // namespace tessera
