#include <regex>
#include <set>

#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

class OpenapiTest : public ApiFixture {
 protected:
  Json document() const { return get("/openapi.json")->json(); }
};

void visit(const Json& json, const std::function<void(const std::string&, const Json&)>& see) {
  if (!json.is_structured()) return;
  for (const auto& [key, value] : json.items()) {
    see(key, value);
    visit(value, see);
  }
}

TEST_F(OpenapiTest, DescribesEveryRouteAndNoOther) {
  std::set<std::string> described, there;
  const Json paths = document().at("paths");
  for (const auto& [path, operations] : paths.items())
    for (const auto& [method, operation] : operations.items())
      described.insert(method + " " + std::regex_replace(path, std::regex("\\{id\\}"), "*"));
  for (const Route& route : routes)
    there.insert((route.method == "GET" ? "get " : "post ") + route.path);
  EXPECT_EQ(described, there);
}

TEST_F(OpenapiTest, EveryReferenceLeadsSomewhere) {
  const Json all = document();
  size_t count = 0;
  visit(all, [&](const std::string& key, const Json& value) {
    if (key != "$ref") return;
    ++count;
    const std::string target = value.get<std::string>();
    ASSERT_TRUE(target.starts_with("#/")) << target;
    EXPECT_TRUE(all.contains(Json::json_pointer(target.substr(1)))) << target;
  });
  EXPECT_GT(count, 20);
}

TEST_F(OpenapiTest, HasTheServersOwnValues) {
  const Json all = document();
  visit(all, [](const std::string& key, const Json& value) {
    if (value.is_string()) {
      EXPECT_FALSE(value.get<std::string>().starts_with("@")) << key;
    }
  });
  const Json& schemas = all.at("components").at("schemas");
  EXPECT_EQ(schemas.at("ModelName").at("enum"), Json({"fake-model", "alias", nullptr}));
  EXPECT_EQ(schemas.at("Sampling").at("properties").at("n").at("maximum"), 16);
  EXPECT_EQ(all.at("info").at("version"), "1.2");
}

TEST_F(OpenapiTest, EveryOperationSaysHowItFails) {
  const Json paths = document().at("paths");
  for (const auto& [path, operations] : paths.items())
    for (const auto& [method, operation] : operations.items())
      for (const char* status : {"200", "4XX", "5XX"})
        EXPECT_TRUE(operation.at("responses").contains(status)) << path;
}

// All of what a schema calls required is there, and nothing that it does not know of.
void expect_fits(const Json& schema, const Json& value) {
  std::set<std::string> described, there;
  for (const auto& [key, property] : schema.at("properties").items()) described.insert(key);
  for (const auto& [key, property] : value.items()) there.insert(key);
  for (const Json& key : schema.at("required"))
    EXPECT_TRUE(there.contains(key.get<std::string>())) << key;
  for (const std::string& key : there) EXPECT_TRUE(described.contains(key)) << key;
}

TEST_F(OpenapiTest, AnswersHaveTheKeysDescribed) {
  const Json schemas = document().at("components").at("schemas");
  expect_fits(schemas.at("ChatAnswer"), answered_chat()->json());
  expect_fits(schemas.at("CompletionAnswer"), answered_completion({{"prompt", "x"}})->json());
  expect_fits(schemas.at("Model"), get("/v1/models/alias")->json());
  expect_fits(schemas.at("Tokens"), post("/tokenize", Json{{"prompt", "x"}})->json());
  expect_fits(schemas.at("Error").at("properties").at("error"),
              post(kChat, std::string("{"))->json().at("error"));
  Json report = schemas.at("EngineReport").at("allOf")[1];
  report.at("properties").update(schemas.at("Status").at("properties"));
  expect_fits(report, get("/v1/status")->json());
}

}  // namespace
}  // namespace tessera
