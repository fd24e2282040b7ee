// Schemas drawn at random, each with values that fit it by construction: these are taken, answers
// fit, and what changes make of them is taken only where the judge agrees.

#include <gtest/gtest.h>

#include "tests/form/form_tools.h"
#include "tests/form/random_json.h"
#include "tests/form/schema_judge.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

class RandomSchema {
 public:
  explicit RandomSchema(uint32_t seed) : json_(seed) {}
  RandomJson& json() { return json_; }

  Json schema(int depth) {
    switch (below(depth > 0 ? 11 : 7)) {
      case 0:
        return {{"type", "string"}};
      case 1: {
        const int least = below(3);
        return {{"type", "string"}, {"minLength", least}, {"maxLength", least + below(4)}};
      }
      case 2: {
        const int least = below(100) - 50;
        return {{"type", "integer"}, {"minimum", least}, {"maximum", least + below(60)}};
      }
      case 3:
        return {{"type", {"boolean", "null"}}};
      case 4: {
        Json values = Json::array();
        for (int i = 1 + below(3); i > 0; --i) values.push_back(json_.value(1));
        return {{"enum", values}};
      }
      case 5:
        return {{"type", "number"}, {"minimum", (below(100) - 50) / 4.0}};
      case 6:
        return below(3) == 0 ? Json(true) : Json{{"type", "string"}, {"pattern", "^[ab]{1,4}$"}};
      case 7: {
        Json out = {{"type", "array"}, {"items", schema(depth - 1)}};
        const int least = below(3);
        if (below(2) == 0) out["minItems"] = least;
        if (below(2) == 0) out["maxItems"] = least + below(3);
        return out;
      }
      case 8: {
        Json branches = Json::array();
        for (int i = 1 + below(3); i > 0; --i) branches.push_back(schema(depth - 1));
        return {{"anyOf", branches}};
      }
      default:
        return object(depth);
    }
  }

  // A value that fits, its members in the order of the form.
  Json value(const Json& schema, int depth = 0) {
    if (schema.is_boolean() || schema.empty()) return json_.value(2);
    if (schema.contains("anyOf")) return value(pick(schema["anyOf"]), depth);
    if (schema.contains("enum")) return pick(schema["enum"]);
    if (schema["type"].is_array()) return below(2) == 0 ? Json(nullptr) : Json(below(2) == 0);
    const auto type = schema["type"].get<std::string>();
    if (type == "integer")
      return schema["minimum"].get<int>() +
             below(schema["maximum"].get<int>() - schema["minimum"].get<int>() + 1);
    if (type == "number") return schema["minimum"].get<double>() + below(1000) / 8.0;
    if (type == "string") return string(schema);
    if (type == "array") {
      Json list = Json::array();
      const int least = schema.value("minItems", 0);
      for (int i = least + below(schema.value("maxItems", least + 3) - least + 1); i > 0; --i)
        list.push_back(value(schema["items"], depth + 1));
      return list;
    }
    Json out = Json::object();
    for (const auto& [name, part] : schema["properties"].items()) {
      const Json& required = schema["required"];
      const bool must = std::find(required.begin(), required.end(), Json(name)) != required.end();
      if (must || below(2) == 0) out[name] = value(part, depth + 1);
    }
    if (schema.value("additionalProperties", false))
      for (int i = below(3); i > 0; --i) out["other" + std::to_string(i)] = json_.value(1);
    return out;
  }

 private:
  int below(int count) { return json_.below(count); }
  Json pick(const Json& list) {
    return list[static_cast<size_t>(below(static_cast<int>(list.size())))];
  }

  Json object(int depth) {
    static constexpr const char* kNames[] = {"a", "ab", "abc", "b", "é", "x\"y", "name", ""};
    Json out = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
    for (const char* name : kNames) {
      if (below(3) != 0) continue;
      out["properties"][name] = schema(depth - 1);
      if (below(2) == 0) out["required"].push_back(name);
    }
    if (below(3) == 0) out["additionalProperties"] = below(2) == 0;
    return out;
  }

  std::string string(const Json& schema) {
    std::string out;
    if (schema.contains("pattern")) {
      for (int i = 1 + below(4); i > 0; --i) out += below(2) == 0 ? "a" : "b";
      return out;
    }
    static constexpr const char* kCharacters[] = {"a", "é", "天", "😀", "\"", "\n", "\x02"};
    const int least = schema.value("minLength", 0);
    for (int i = least + below(schema.value("maxLength", least + 4) - least + 1); i > 0; --i)
      out += kCharacters[below(7)];
    return out;
  }

  RandomJson json_;
};

TEST(SchemaProperty, RandomSchemasTakeWhatFitsAndNothingElse) {
  const Vocabulary toy = toy_vocabulary();
  RandomSchema source(21);
  RandomJson& json = source.json();
  int taken = 0, refused = 0;
  for (int i = 0; i < 220; ++i) {
    const Json schema = source.schema(3);
    SCOPED_TRACE(schema.dump());
    const std::string text_of_schema = schema.dump();
    const FormMatcher form = schema_form(text_of_schema, toy);
    for (int j = 0; j < 8; ++j) {
      const Json value = source.value(schema);
      ASSERT_EQ(judge_schema(schema, value), "");
      // Enumerated and patterned strings are written in one way.
      const std::string text = json.write(value, true);
      ASSERT_TRUE(takes(form, text)) << text;
      ASSERT_TRUE(takes_as_tokens(form, text, json.random())) << text;
      for (int k = 0; k < 4; ++k) {
        const std::string changed = json.mutate(text);
        if (!takes(form, changed)) {
          ++refused;
          continue;
        }
        ++taken;
        ASSERT_TRUE(Json::accept(changed)) << changed;
        ASSERT_EQ(judge_schema(schema, Json::parse(changed)), "") << changed;
      }
    }
    for (int j = 0; j < 3; ++j) {
      const std::string answer = random_answer(form, json.random(), json.below(40));
      ASSERT_TRUE(Json::accept(answer)) << answer;
      ASSERT_EQ(judge_schema(schema, Json::parse(answer)), "") << answer;
      record_answer(text_of_schema, answer);
    }
  }
  EXPECT_GT(taken, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace tessera
