#include <set>

#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

using RoutesTest = ApiFixture;

TEST_F(RoutesTest, OnlyLivenessIsOpenToAll) {
  std::set<std::string> open;
  for (const Route& route : routes)
    if (route.open_to_all) open.insert(route.path);
  EXPECT_EQ(open, std::set<std::string>{"/health/live"});
}

TEST_F(RoutesTest, Models) {
  const Json list = get("/v1/models")->json();
  EXPECT_EQ(list.at("object"), "list");
  ASSERT_EQ(list.at("data").size(), 2);
  EXPECT_EQ(list.at("data")[0].at("id"), "fake-model");
  EXPECT_EQ(list.at("data")[1].at("id"), "alias");
  EXPECT_EQ(list.at("data")[1].at("root"), "fake-model");
  EXPECT_EQ(list.at("data")[0].at("max_model_len"), 4096);
  EXPECT_EQ(get("/v1/models/alias")->json(), list.at("data")[1]);
  EXPECT_EQ(refusal(*get("/v1/models/other")), "404 model model_not_found");
  EXPECT_EQ(refusal(*get("/v1/models/other/\xff")), "404 model model_not_found");
}

TEST_F(RoutesTest, TokensOfATextAndBack) {
  const Json tokens = {104, 105};
  EXPECT_EQ(post("/tokenize", Json{{"prompt", "hi"}})->json(),
            Json({{"tokens", tokens}, {"count", 2}, {"max_model_len", 4096}}));
  EXPECT_EQ(post("/tokenize", Json{{"content", "hi"}})->json().at("tokens"), tokens);
  EXPECT_EQ(post("/tokenize", Json{{"prompt", ""}})->json().at("tokens"), Json::array());
  EXPECT_EQ(post("/detokenize", Json{{"tokens", tokens}})->json(),
            Json({{"prompt", "hi"}, {"content", "hi"}}));
  EXPECT_EQ(post("/detokenize", Json{{"tokens", {255}}})->json().at("content"), "\xef\xbf\xbd");
  EXPECT_EQ(refusal(*post("/tokenize", Json::object())), "400 prompt missing_required_parameter");
  EXPECT_EQ(refusal(*post("/tokenize", Json{{"prompt", 5}})), "400 prompt -");
  EXPECT_EQ(refusal(*post("/tokenize", Json{{"messages", {1}}})),
            "400 messages unsupported_parameter");
  EXPECT_EQ(refusal(*post("/detokenize", Json{{"tokens", {-1}}})), "400 tokens[0] -");
  EXPECT_EQ(refusal(*post("/tokenize", Json{{"prompt", ""}, {"content", ""}})), "400 content -");
  EXPECT_EQ(refusal(*post("/detokenize", Json::object())), "400 tokens missing_required_parameter");
  EXPECT_EQ(refusal(*post("/tokenize", Json{{"prompt", "x"}, {"model", "y"}})),
            "404 model model_not_found");
}

TEST_F(RoutesTest, Health) {
  EXPECT_EQ(get("/health/live")->response().status, 200);
  EXPECT_EQ(get("/health/ready")->response().status, 200);
  engine.why_not_ready = "loading";
  EXPECT_EQ(get("/health/live")->response().status, 200);
  const auto exchange = get("/health/ready");
  EXPECT_EQ(refusal(*exchange), "503 - not_ready");
  EXPECT_NE(exchange->response().body.find("loading"), std::string::npos);
}

TEST_F(RoutesTest, StatusSaysWhatTheEngineSays) {
  const Json status = get("/v1/status")->json();
  EXPECT_EQ(status.at("model"), "fake-model");
  EXPECT_EQ(status.at("ready"), true);
  EXPECT_EQ(status.at("kv_blocks_cached"), 30);
  EXPECT_EQ(status.at("micro_batches")[0],
            Json({{"id", 7}, {"stage", 1}, {"decode_rows", 2}, {"prefill_rows", 5}}));
  EXPECT_EQ(status.at("devices")[0].at("link_bytes"), 1024);
  EXPECT_EQ(status.at("devices")[0].at("measured_s"), 0.625);
  EXPECT_EQ(status.at("device_reports")[1].at("planned_bytes"), 2000);
  EXPECT_EQ(status.at("plan").at("context"), 4096);
}

TEST_F(RoutesTest, ThePlanReadsBack) {
  EXPECT_EQ(get("/v1/plan")->response().body, plan_to_text(engine.plan()));
}

}  // namespace
}  // namespace tessera
