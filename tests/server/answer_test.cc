#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

using AnswerTest = ApiFixture;

std::vector<Json> chunks_of(const FakeExchange& exchange) {
  std::vector<Json> chunks;
  for (const std::string& event : exchange.events())
    if (event != "[DONE]") chunks.push_back(Json::parse(event));
  return chunks;
}

// What the deltas of one choice say together.
std::string text_of(const std::vector<Json>& chunks, int index) {
  std::string text;
  for (const Json& chunk : chunks)
    for (const Json& choice : chunk.at("choices"))
      if (choice.at("index") == index)
        text += choice.contains("delta") ? choice.at("delta").value("content", "")
                                         : choice.at("text").get<std::string>();
  return text;
}

TEST_F(AnswerTest, AWholeChat) {
  const auto exchange = answered_chat();
  EXPECT_EQ(exchange->response().status, 200);
  EXPECT_EQ(exchange->response().content_type, "application/json");
  const Json answer = exchange->json();
  EXPECT_EQ(answer.at("id"), "chatcmpl-42");
  EXPECT_EQ(answer.at("object"), "chat.completion");
  EXPECT_EQ(answer.at("model"), "fake-model");
  EXPECT_GT(answer.at("created"), 1'500'000'000);
  ASSERT_EQ(answer.at("choices").size(), 1);
  const Json& choice = answer.at("choices")[0];
  EXPECT_EQ(choice.at("index"), 0);
  EXPECT_EQ(choice.at("message"),
            Json({{"role", "assistant"}, {"content", "You said: hi"}, {"refusal", nullptr}}));
  EXPECT_EQ(choice.at("logprobs"), nullptr);
  EXPECT_EQ(choice.at("finish_reason"), "stop");
  EXPECT_EQ(answer.at("usage"), Json({{"prompt_tokens", 2},
                                      {"completion_tokens", 12},
                                      {"total_tokens", 14},
                                      {"prompt_tokens_details", {{"cached_tokens", 1}}}}));
}

TEST_F(AnswerTest, NothingIsSentBeforeTheAnswerIsWhole) {
  const auto exchange = post(kChat, chat());
  engine.step();
  EXPECT_EQ(exchange->calls(), "");
  engine.finish();
  EXPECT_EQ(exchange->calls(), "r");
}

TEST_F(AnswerTest, SeveralChoicesAndTheirEnd) {
  const Json answer = answered_chat({{"n", 3}, {"max_tokens", 4}})->json();
  ASSERT_EQ(answer.at("choices").size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer.at("choices")[i].at("index"), i);
    EXPECT_EQ(answer.at("choices")[i].at("message").at("content"), "You ");
    EXPECT_EQ(answer.at("choices")[i].at("finish_reason"), "length");
  }
}

TEST_F(AnswerTest, AStreamedChat) {
  const auto exchange = answered_chat({{"stream", true}});
  EXPECT_EQ(exchange->calls(), "bwe");
  EXPECT_EQ(exchange->response().status, 200);
  EXPECT_TRUE(exchange->response().content_type.starts_with("text/event-stream"));
  EXPECT_EQ(exchange->events().back(), "[DONE]");
  const std::vector<Json> chunks = chunks_of(*exchange);
  ASSERT_EQ(chunks.size(), 1 + 12 + 1);
  for (const Json& chunk : chunks) {
    EXPECT_EQ(chunk.at("id"), "chatcmpl-42");
    EXPECT_EQ(chunk.at("object"), "chat.completion.chunk");
    EXPECT_EQ(chunk.at("model"), "fake-model");
    EXPECT_FALSE(chunk.contains("usage"));
    ASSERT_EQ(chunk.at("choices").size(), 1);
  }
  EXPECT_EQ(chunks[0].at("choices")[0], Json({{"index", 0},
                                              {"delta", {{"role", "assistant"}, {"content", ""}}},
                                              {"logprobs", nullptr},
                                              {"finish_reason", nullptr}}));
  EXPECT_EQ(chunks[1].at("choices")[0], Json({{"index", 0},
                                              {"delta", {{"content", "Y"}}},
                                              {"logprobs", nullptr},
                                              {"finish_reason", nullptr}}));
  EXPECT_EQ(chunks.back().at("choices")[0], Json({{"index", 0},
                                                  {"delta", Json::object()},
                                                  {"logprobs", nullptr},
                                                  {"finish_reason", "stop"}}));
  EXPECT_EQ(text_of(chunks, 0), "You said: hi");
}

TEST_F(AnswerTest, UsageComesLastWhereAskedFor) {
  const auto exchange =
      answered_chat({{"stream", true}, {"stream_options", {{"include_usage", true}}}});
  const std::vector<Json> chunks = chunks_of(*exchange);
  for (size_t i = 0; i + 1 < chunks.size(); ++i) EXPECT_EQ(chunks[i].at("usage"), nullptr);
  EXPECT_EQ(chunks.back().at("choices"), Json::array());
  EXPECT_EQ(chunks.back().at("usage").at("completion_tokens"), 12);
}

TEST_F(AnswerTest, StreamedChoicesSayTheirRoleOnceAndEndOnce) {
  const auto chunks = chunks_of(*answered_chat({{"stream", true}, {"n", 2}}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(text_of(chunks, i), "You said: hi");
    int roles = 0, ends = 0;
    for (const Json& chunk : chunks) {
      const Json& choice = chunk.at("choices")[0];
      if (choice.at("index") != i) continue;
      roles += choice.at("delta").contains("role");
      ends += !choice.at("finish_reason").is_null();
    }
    EXPECT_EQ(roles, 1);
    EXPECT_EQ(ends, 1);
  }
}

TEST_F(AnswerTest, ATokenWithoutACharacterHasItsEventToo) {
  engine.reply = [](const Request&) { return "é🙂\"\n"; };  // 8 tokens, 4 characters
  const auto chunks = chunks_of(*answered_chat({{"stream", true}}));
  EXPECT_EQ(chunks.size(), 1 + 8 + 1);
  EXPECT_EQ(chunks[1].at("choices")[0].at("delta"), Json({{"content", ""}}));
  EXPECT_EQ(text_of(chunks, 0), "é🙂\"\n");
}

TEST_F(AnswerTest, AnEmptyAnswerIsStillOne) {
  engine.reply = [](const Request&) { return ""; };
  const auto exchange = answered_chat({{"stream", true}});
  EXPECT_EQ(exchange->calls(), "be");
  const auto chunks = chunks_of(*exchange);
  ASSERT_EQ(chunks.size(), 2);
  EXPECT_EQ(chunks[0].at("choices")[0].at("delta").at("role"), "assistant");
  EXPECT_EQ(chunks[1].at("choices")[0].at("finish_reason"), "stop");
  EXPECT_EQ(answered_chat()->json().at("choices")[0].at("message").at("content"), "");
}

TEST_F(AnswerTest, LogProbabilitiesOfAChat) {
  engine.reply = [](const Request&) { return "Xé"; };
  const Json want = {{{"token", "X"},
                      {"logprob", -0.5},
                      {"bytes", {88}},
                      {"top_logprobs",
                       {{{"token", "a"}, {"logprob", -0.5}, {"bytes", {97}}},
                        {{"token", "b"}, {"logprob", -1.5}, {"bytes", {98}}}}}}};
  const Json whole = answered_chat({{"logprobs", true}, {"top_logprobs", 2}})->json();
  const Json& content = whole.at("choices")[0].at("logprobs").at("content");
  ASSERT_EQ(content.size(), 3);
  EXPECT_EQ(content[0], want[0]);
  EXPECT_EQ(content[1].at("token"), "\xef\xbf\xbd");  // half of a character
  EXPECT_EQ(content[1].at("bytes"), Json({0xc3}));
  EXPECT_EQ(whole.at("choices")[0].at("logprobs").at("refusal"), nullptr);

  // Streamed: a piece for each token, with a character or without.
  const auto chunks =
      chunks_of(*answered_chat({{"stream", true}, {"logprobs", true}, {"top_logprobs", 2}}));
  ASSERT_EQ(chunks.size(), 1 + 3 + 1);
  for (size_t i = 0; i < 3; ++i) {
    const Json& logprobs = chunks[i + 1].at("choices")[0].at("logprobs");
    ASSERT_EQ(logprobs.at("content").size(), 1);
    EXPECT_EQ(logprobs.at("content")[0], content[i]);
  }
  EXPECT_EQ(text_of(chunks, 0), "Xé");
}

TEST_F(AnswerTest, LogProbabilitiesOfACompletion) {
  engine.reply = [](const Request&) { return "Xé!"; };
  const Json body = {{"prompt", "p"}, {"logprobs", 2}};
  const Json choice = answered_completion(body)->json().at("choices")[0];
  EXPECT_EQ(choice.at("text"), "Xé!");
  const Json& logprobs = choice.at("logprobs");
  EXPECT_EQ(logprobs.at("tokens"), Json({"X", "\xef\xbf\xbd", "\xef\xbf\xbd", "!"}));
  EXPECT_EQ(logprobs.at("token_logprobs"), Json({-0.5, -0.5, -0.5, -0.5}));
  EXPECT_EQ(logprobs.at("top_logprobs")[0], Json({{"a", -0.5}, {"b", -1.5}}));
  EXPECT_EQ(logprobs.at("text_offset"), Json({0, 1, 1, 2}));

  Json streamed = body;
  streamed["stream"] = true;
  const auto chunks = chunks_of(*answered_completion(streamed));
  Json offsets = Json::array();
  for (const Json& chunk : chunks)
    if (const Json& each = chunk.at("choices")[0].at("logprobs"); !each.is_null())
      offsets.push_back(each.at("text_offset")[0]);
  EXPECT_EQ(offsets, Json({0, 1, 1, 2}));
}

TEST_F(AnswerTest, AWholeCompletion) {
  const Json answer = answered_completion({{"prompt", "once"}, {"stop", " on"}})->json();
  EXPECT_EQ(answer.at("id"), "cmpl-42");
  EXPECT_EQ(answer.at("object"), "text_completion");
  EXPECT_EQ(
      answer.at("choices")[0],
      Json({{"index", 0}, {"text", " and so"}, {"logprobs", nullptr}, {"finish_reason", "stop"}}));
  EXPECT_EQ(answer.at("usage").at("prompt_tokens"), 4);
}

TEST_F(AnswerTest, AStreamedCompletion) {
  const auto exchange = answered_completion({{"prompt", "once"}, {"stream", true}, {"n", 2}});
  EXPECT_EQ(exchange->events().back(), "[DONE]");
  const auto chunks = chunks_of(*exchange);
  for (const Json& chunk : chunks) EXPECT_EQ(chunk.at("object"), "text_completion");
  EXPECT_EQ(text_of(chunks, 0), " and so on");
  EXPECT_EQ(text_of(chunks, 1), " and so on");
  EXPECT_EQ(chunks.back().at("choices")[0].at("finish_reason"), "stop");
}

TEST_F(AnswerTest, EchoPutsThePromptFirst) {
  EXPECT_EQ(
      answered_completion({{"prompt", "once"}, {"echo", true}})->json().at("choices")[0].at("text"),
      "once and so on");
  const auto chunks =
      chunks_of(*answered_completion({{"prompt", {104, 105}}, {"echo", true}, {"stream", true}}));
  EXPECT_EQ(text_of(chunks, 0), "hi and so on");
}

TEST_F(AnswerTest, TheModelsNameIsTheOneAskedFor) {
  EXPECT_EQ(answered_chat({{"model", "alias"}})->json().at("model"), "alias");
  const auto exchange = post(kChat, chat({{"model", "gpt-9"}}));
  EXPECT_EQ(refusal(*exchange), "404 model model_not_found");
  EXPECT_EQ(refusal(*post(kCompletions, Json{{"prompt", "x"}, {"model", ""}})),
            "404 model model_not_found");
}

TEST_F(AnswerTest, TheEngineHearsWhatWasAsked) {
  answered_chat(
      {{"temperature", 0.5}, {"user", "ann"}, {"response_format", {{"type", "json_object"}}}});
  EXPECT_EQ(engine.last_request().temperature, 0.5);
  EXPECT_EQ(engine.last_request().user, "ann");
  EXPECT_EQ(engine.last_request().max_new_tokens, engine.context_tokens);
  EXPECT_EQ(engine.last_request().form.kind, AnswerForm::Kind::kJson);
  answered_chat();
  EXPECT_EQ(engine.last_request().user, "127.0.0.1");
  ask({.method = "POST", .path = kChat, .body = chat({{"user", "ann"}}).dump(), .user = "key 1"});
  EXPECT_EQ(engine.last_request().user, "key 1") << "a key's owner cannot become many";
}

TEST_F(AnswerTest, PicturesReachTheEngine) {
  const Json body = Json::parse(R"({"messages": [{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm9v"}},
    {"type": "text", "text": "what?"}]}]})");
  const auto exchange = post(kChat, body);
  engine.finish();
  EXPECT_EQ(exchange->json().at("choices")[0].at("message").at("content"),
            "I see 1. You said: what?");
  engine.pictures = false;
  EXPECT_EQ(refusal(*post(kChat, body)),
            "400 messages[0].content[0].image_url.url unsupported_content");
}

}  // namespace
}  // namespace tessera
