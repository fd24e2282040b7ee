#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

using ErrorTest = ApiFixture;

TEST_F(ErrorTest, HasOpenAisShapeAndTheFiveParts) {
  const auto exchange = post(kChat, chat({{"temperature", 9}}));
  EXPECT_EQ(exchange->response().status, 400);
  const Json error = exchange->json().at("error");
  EXPECT_EQ(error.at("message"), "request: temperature: expected a number from 0 to 2, found 9");
  EXPECT_EQ(error.at("type"), "invalid_request_error");
  EXPECT_EQ(error.at("param"), "temperature");
  EXPECT_EQ(error.at("code"), nullptr);
  EXPECT_EQ(error.at("where"), "request");
  EXPECT_EQ(error.at("what"), "temperature");
  EXPECT_EQ(error.at("expected"), "a number from 0 to 2");
  EXPECT_EQ(error.at("found"), "9");
}

TEST_F(ErrorTest, ABodyThatIsNotJson) {
  for (const std::string body : {"", "{", "[]", "\xff"})
    EXPECT_EQ(refusal(*post(kChat, body)), "400 - -") << body;
  EXPECT_EQ(refusal(*post(kChat, std::string("{\"messages\": ") + std::string(100'000, '['))),
            "400 - -");
}

TEST_F(ErrorTest, APromptThatIsTooLong) {
  engine.context_tokens = 8;
  const std::string text(8, 'x');
  EXPECT_EQ(refusal(*post(kChat, Json{{"messages", {{{"role", "user"}, {"content", text}}}}})),
            "400 messages context_length_exceeded");
  EXPECT_EQ(refusal(*post(kCompletions, Json{{"prompt", text}})),
            "400 prompt context_length_exceeded");
}

TEST_F(ErrorTest, AFullQueueSaysWhenToComeBack) {
  engine.on_submit = [](const Request&) {
    throw Busy({.where = "queue", .expected = "at most 4", .found = "5"}, 2.1);
  };
  const auto exchange = post(kChat, chat());
  EXPECT_EQ(exchange->response().status, 429);
  EXPECT_EQ(exchange->json().at("error").at("type"), "rate_limit_error");
  const HttpHeaders headers = exchange->response().headers;
  ASSERT_EQ(headers.size(), 1);
  EXPECT_EQ(headers[0], (std::pair<std::string, std::string>("Retry-After", "3")));
}

TEST_F(ErrorTest, AnEngineThatIsNotReady) {
  engine.why_not_ready = "loading, 40 %";
  const auto exchange = post(kChat, chat({{"stream", true}}));
  EXPECT_EQ(refusal(*exchange), "503 - not_ready");
  EXPECT_EQ(exchange->calls(), "r");
  EXPECT_EQ(exchange->json().at("error").at("found"), "loading, 40 %");
}

TEST_F(ErrorTest, AnEngineThatFailsWhileItIsAsked) {
  engine.on_submit = [&](const Request&) {
    engine.why_not_ready = "cpu:1 failed";
    throw Error({.where = "cpu:1", .what = "lost"});
  };
  EXPECT_EQ(refusal(*post(kChat, chat())), "503 - not_ready");
}

TEST_F(ErrorTest, APictureThatCannotBeDecoded) {
  engine.on_submit = [](const Request& request) {
    throw Error(
        {.where = request.messages[0].pictures[0].name, .expected = "a JPEG", .found = "junk"});
  };
  const Json body = Json::parse(R"({"messages": [{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm9v"}}]}]})");
  EXPECT_EQ(refusal(*post(kChat, body)), "400 messages[0].content[0].image_url.url invalid_image");
}

TEST_F(ErrorTest, WhatOnlyTheEngineCanTell) {
  engine.on_submit = [](const Request&) {
    throw UsageError({.where = "regex", .what = "not an expression"});
  };
  EXPECT_EQ(refusal(*post(kChat, chat())), "400 regex -");
}

TEST_F(ErrorTest, AFailureBeforeTheFirstPieceHasAStatus) {
  engine.fails_with = ErrorParts{.where = "cpu:0", .what = "broke"};
  for (const bool stream : {false, true}) {
    const auto exchange = answered_chat({{"stream", stream}});
    EXPECT_EQ(exchange->calls(), "r");
    EXPECT_EQ(refusal(*exchange), "500 - -");
    EXPECT_EQ(exchange->json().at("error").at("message"), "cpu:0: broke");
  }
}

TEST_F(ErrorTest, AFailureInAStreamIsItsLastEvent) {
  engine.fails_with = ErrorParts{.where = "cpu:0", .what = "broke"};
  engine.fails_at = 3;
  const auto exchange = answered_chat({{"stream", true}});
  EXPECT_EQ(exchange->calls(), "bwe");
  const auto events = exchange->events();
  ASSERT_EQ(events.size(), 1 + 3 + 1);
  EXPECT_EQ(Json::parse(events.back()).at("error").at("type"), "server_error");
  EXPECT_EQ(Json::parse(events.back()).at("error").at("where"), "cpu:0");
}

TEST_F(ErrorTest, NothingOfAFailedAnswerLooksWhole) {
  engine.fails_with = ErrorParts{.where = "cpu:0", .what = "broke"};
  engine.fails_at = 3;
  EXPECT_EQ(refusal(*answered_chat()), "500 - -");
}

TEST_F(ErrorTest, AClientThatLeavesEndsItsRequest) {
  for (const bool stream : {false, true}) {
    const auto exchange = post(kChat, chat({{"stream", stream}}));
    engine.step();
    exchange->leave();
    EXPECT_EQ(engine.running(), 1);
    engine.finish();
    EXPECT_EQ(engine.running(), 0);
  }
  EXPECT_EQ(engine.cancelled(), 2);
}

TEST_F(ErrorTest, AClientThatHadLeftBeforehandDoesToo) {
  const Route* const route = find_route(routes, "POST", kChat);
  const auto exchange = std::make_shared<FakeExchange>(
      HttpRequest{.method = "POST", .path = kChat, .body = chat().dump()});
  exchange->leave();
  route->handler(exchange);
  EXPECT_EQ(engine.cancelled(), 1);
}

TEST_F(ErrorTest, AnAnswerThatTheServerCutsOffSaysSo) {
  const auto whole = post(kChat, chat());
  const auto stream = post(kChat, chat({{"stream", true}}));
  engine.step();
  engine.cancel(1);
  engine.cancel(2);
  engine.finish();
  EXPECT_EQ(refusal(*whole), "503 - cancelled");
  EXPECT_EQ(Json::parse(stream->events().back()).at("error").at("code"), "cancelled");
}

TEST_F(ErrorTest, AnEndedAnswerLetsItsExchangeGo) {
  std::weak_ptr<FakeExchange> weak;
  std::shared_ptr<AnswerListener> kept;
  {
    const auto exchange = post(kChat, chat({{"stream", true}}));
    weak = exchange;
    engine.finish();
  }
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace tessera
