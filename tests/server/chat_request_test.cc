#include "server/chat_request.h"

#include <gtest/gtest.h>

#include "tests/server/refused_field.h"

namespace tessera {
namespace {

constexpr const char* kPictureUrl = "data:image/png;base64,Zm9vYmFy";

ChatRequest chat_of(const Json& json, const ApiLimits& limits = {}) {
  return read_chat_request(json, limits, 2048);
}
std::string refused_chat(const Json& json, const ApiLimits& limits = {}) {
  return refused_field([&] { chat_of(json, limits); });
}
Json chat_with(const Json& more) {
  Json json = {{"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})}};
  json.update(more);
  return json;
}
Json message(const std::string& role, const Json& content) {
  return {{"role", role}, {"content", content}};
}
Json messages_of(const std::vector<Json>& messages) {
  return {{"messages", messages}};
}
Json text_part(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}
Json picture_part(const std::string& url = kPictureUrl) {
  return {{"type", "image_url"}, {"image_url", {{"url", url}}}};
}

TEST(ChatRequest, RolesAndTexts) {
  const auto messages =
      chat_of(messages_of({message("system", "s"), message("developer", "d"), message("user", "u"),
                           message("assistant", "a"),
                           message("user", Json::array({text_part("x"), text_part("y")}))}))
          .request.messages;
  ASSERT_EQ(messages.size(), 5);
  using Role = Message::Role;
  const std::vector<std::pair<Role, std::string>> want = {{Role::kSystem, "s"},
                                                          {Role::kSystem, "d"},
                                                          {Role::kUser, "u"},
                                                          {Role::kAssistant, "a"},
                                                          {Role::kUser, "x\ny"}};
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(messages[i].role, want[i].first) << i;
    EXPECT_EQ(messages[i].text, want[i].second) << i;
  }
}

TEST(ChatRequest, PicturesKeepTheirOrderAndKnowTheirPlace) {
  const auto messages =
      chat_of(
          messages_of({message("user", Json::array({text_part("a"), picture_part(), text_part("b"),
                                                    picture_part("data:image/gif;base64,Zm9v")}))}))
          .request.messages;
  ASSERT_EQ(messages.size(), 1);
  EXPECT_EQ(messages[0].text, "a\nb");
  ASSERT_EQ(messages[0].pictures.size(), 2);
  EXPECT_EQ(*messages[0].pictures[0].bytes, "foobar");
  EXPECT_EQ(messages[0].pictures[0].name, "messages[0].content[1].image_url.url");
  EXPECT_EQ(*messages[0].pictures[1].bytes, "foo");
  EXPECT_EQ(messages[0].pictures[1].name, "messages[0].content[3].image_url.url");
}

TEST(ChatRequest, HowManyTokensAtMost) {
  EXPECT_EQ(chat_of(chat_with(Json::object())).request.max_new_tokens,
            2048);  // the context; the engine knows the room
  EXPECT_EQ(chat_of(chat_with({{"max_tokens", 5}})).request.max_new_tokens, 5);
  EXPECT_EQ(
      chat_of(chat_with({{"max_completion_tokens", 6}, {"max_tokens", 5}})).request.max_new_tokens,
      6);
  EXPECT_EQ(refused_chat(chat_with({{"max_tokens", 0}})), "max_tokens");
  EXPECT_EQ(refused_chat(chat_with({{"max_completion_tokens", -1}})), "max_completion_tokens");
  EXPECT_EQ(refused_chat(chat_with({{"max_completion_tokens", 1}, {"max_tokens", 0}})),
            "max_tokens");
}

TEST(ChatRequest, LogProbabilities) {
  EXPECT_EQ(chat_of(chat_with(Json::object())).request.top_logprobs, std::nullopt);
  EXPECT_EQ(chat_of(chat_with({{"logprobs", false}, {"top_logprobs", 0}})).request.top_logprobs,
            std::nullopt);
  EXPECT_EQ(chat_of(chat_with({{"logprobs", true}})).request.top_logprobs, 0);
  EXPECT_EQ(chat_of(chat_with({{"logprobs", true}, {"top_logprobs", 20}})).request.top_logprobs,
            20);
  EXPECT_EQ(refused_chat(chat_with({{"logprobs", true}, {"top_logprobs", 21}})), "top_logprobs");
  EXPECT_EQ(refused_chat(chat_with({{"top_logprobs", 2}})), "top_logprobs");
  EXPECT_EQ(refused_chat(chat_with({{"logprobs", 3}})), "logprobs");
}

TEST(ChatRequest, Streaming) {
  EXPECT_FALSE(chat_of(chat_with(Json::object())).answer.stream);
  EXPECT_TRUE(chat_of(chat_with({{"stream", true}})).answer.stream);
  EXPECT_FALSE(chat_of(chat_with({{"stream", true}})).answer.include_usage);
  EXPECT_TRUE(chat_of(chat_with({{"stream", true}, {"stream_options", {{"include_usage", true}}}}))
                  .answer.include_usage);
  EXPECT_EQ(refused_chat(chat_with({{"stream_options", {{"include_usage", true}}}})),
            "stream_options");
  EXPECT_EQ(refused_chat(chat_with({{"stream", "yes"}})), "stream");
}

TEST(ChatRequest, UnknownFieldsAreIgnored) {
  EXPECT_EQ(refused_chat(chat_with({{"store", true},
                                    {"metadata", {{"a", "b"}}},
                                    {"parallel_tool_calls", true},
                                    {"whatever", Json::array({1})}})),
            "taken");
}

TEST(ChatRequest, WhatIsNotThereIsRefusedByName) {
  const Json tools = Json::array({{{"type", "function"}}});
  EXPECT_EQ(refused_chat(chat_with({{"tools", tools}})), "tools unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"tools", tools}, {"tool_choice", "auto"}})),
            "tools unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"tool_choice", "required"}})),
            "tool_choice unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"tools", tools}, {"tool_choice", "none"}})), "taken");
  EXPECT_EQ(refused_chat(chat_with({{"tools", Json::array()}})), "taken");
  EXPECT_EQ(refused_chat(chat_with({{"tools", 5}, {"tool_choice", "none"}})), "tools");
  EXPECT_EQ(refused_chat(chat_with({{"functions", tools}})), "functions unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"function_call", "auto"}})),
            "function_call unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"audio", {{"voice", "x"}}}})), "audio unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"modalities", {"text", "audio"}}})),
            "modalities unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"modalities", Json::array({"text"})}})), "taken");
  EXPECT_EQ(refused_chat(chat_with({{"min_tokens", 3}})), "min_tokens unsupported_parameter");
  EXPECT_EQ(refused_chat(chat_with({{"use_beam_search", true}})),
            "use_beam_search unsupported_parameter");
}

TEST(ChatRequest, MessagesThatAreNone) {
  EXPECT_EQ(refused_chat(Json::object()), "messages missing_required_parameter");
  EXPECT_EQ(refused_chat(messages_of({})), "messages");
  EXPECT_EQ(refused_chat({{"messages", "hi"}}), "messages");
  EXPECT_EQ(refused_chat({{"messages", {5}}}), "messages[0]");
  EXPECT_EQ(refused_chat(messages_of({Json{{"content", "x"}}})),
            "messages[0].role missing_required_parameter");
  EXPECT_EQ(refused_chat(messages_of({Json{{"role", "user"}}})),
            "messages[0].content missing_required_parameter");
  EXPECT_EQ(refused_chat(messages_of({message("user", nullptr)})),
            "messages[0].content missing_required_parameter");
  EXPECT_EQ(refused_chat(messages_of({message("king", "x")})), "messages[0].role");
  EXPECT_EQ(refused_chat(messages_of({message("tool", "x")})),
            "messages[0].role unsupported_parameter");
  EXPECT_EQ(refused_chat(messages_of({message("user", 5)})), "messages[0].content");
  EXPECT_EQ(refused_chat(messages_of({message("user", Json::array())})), "messages[0].content");
  EXPECT_EQ(refused_chat(messages_of({message("user", Json::array({Json::object()}))})),
            "messages[0].content[0].type missing_required_parameter");
  EXPECT_EQ(refused_chat(messages_of({message("user", Json::array({{{"type", "input_audio"}}}))})),
            "messages[0].content[0].type unsupported_parameter");
  EXPECT_EQ(refused_chat(messages_of({message("user", Json::array({{{"type", "smell"}}}))})),
            "messages[0].content[0].type");
  EXPECT_EQ(
      refused_chat(messages_of({message("user", Json::array({{{"type", "text"}, {"text", 5}}}))})),
      "messages[0].content[0].text");
  EXPECT_EQ(refused_chat(
                messages_of({Json{{"role", "assistant"}, {"content", "x"}, {"tool_calls", {1}}}})),
            "messages[0].tool_calls unsupported_parameter");
}

TEST(ChatRequest, PicturesThatAreNone) {
  const auto user = [](const Json& part) {
    return messages_of({message("user", Json::array({part}))});
  };
  EXPECT_EQ(refused_chat(user({{"type", "image_url"}})),
            "messages[0].content[0].image_url missing_required_parameter");
  EXPECT_EQ(refused_chat(user({{"type", "image_url"}, {"image_url", "x"}})),
            "messages[0].content[0].image_url");
  EXPECT_EQ(refused_chat(user({{"type", "image_url"}, {"image_url", {{"url", 5}}}})),
            "messages[0].content[0].image_url.url");
  EXPECT_EQ(refused_chat(user(picture_part("http://10.0.0.1/x.png"))),
            "messages[0].content[0].image_url.url invalid_image_url");
  EXPECT_EQ(refused_chat(user({{"type", "image_url"},
                               {"image_url", {{"url", kPictureUrl}, {"detail", "huge"}}}})),
            "messages[0].content[0].image_url.detail");
  EXPECT_EQ(refused_chat(messages_of({message("assistant", Json::array({picture_part()}))})),
            "messages[0].content[0].image_url");
}

TEST(ChatRequest, LimitsOfOneRequest) {
  const Json two = message("user", Json::array({picture_part(), picture_part()}));
  EXPECT_EQ(refused_chat(messages_of({two, two}), {.pictures = 4}), "taken");
  EXPECT_EQ(refused_chat(messages_of({two, two}), {.pictures = 3}),
            "messages[1].content[1].image_url");
  EXPECT_EQ(refused_chat(messages_of({two}), {.picture_bytes = 2}),
            "messages[0].content[0].image_url.url image_too_large");
  EXPECT_EQ(refused_chat(messages_of({message("user", "12345"), message("user", "6")}),
                         {.text_bytes = 6}),
            "taken");
  EXPECT_EQ(refused_chat(messages_of({message("user", "12345"), message("user", "67")}),
                         {.text_bytes = 6}),
            "messages[1].content");
  EXPECT_EQ(
      refused_chat(messages_of({message("user", "1"), message("user", "2")}), {.messages = 1}),
      "messages");
}

}  // namespace
}  // namespace tessera
