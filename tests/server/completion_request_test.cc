#include "server/completion_request.h"

#include <gtest/gtest.h>

#include "tests/server/refused_field.h"

namespace tessera {
namespace {

CompletionRequest completion_of(const Json& json, const ApiLimits& limits = {}) {
  return read_completion_request(json, limits);
}
std::string refused_completion(const Json& json, const ApiLimits& limits = {}) {
  return refused_field([&] { completion_of(json, limits); });
}
Json completion_with(const Json& more) {
  Json json = {{"prompt", "once"}};
  json.update(more);
  return json;
}

TEST(CompletionRequest, PromptsInTheirFourShapes) {
  EXPECT_EQ(completion_of({{"prompt", "once"}}).request.prompt_text, "once");
  EXPECT_EQ(completion_of({{"prompt", Json::array({"once"})}}).request.prompt_text, "once");
  for (const Json& ids : {Json::array({3, 1, 4}), Json::array({Json::array({3, 1, 4})})}) {
    const Request request = completion_of({{"prompt", ids}}).request;
    EXPECT_EQ(request.prompt_ids, (std::vector<int32_t>{3, 1, 4}));
    EXPECT_EQ(request.prompt_text, std::nullopt);
  }
  EXPECT_TRUE(completion_of({{"prompt", "once"}}).request.messages.empty());
}

TEST(CompletionRequest, PromptsThatAreNone) {
  EXPECT_EQ(refused_completion(Json::object()), "prompt missing_required_parameter");
  for (const Json& prompt :
       {Json(5), Json::array(), Json::array({"a", "b"}), Json::object(),
        Json::array({Json::array()}), Json::array({Json::array({1}), Json::array({2})})})
    EXPECT_EQ(refused_completion({{"prompt", prompt}}), "prompt") << prompt;
  EXPECT_EQ(refused_completion({{"prompt", {1, "a"}}}), "prompt[1]");
  EXPECT_EQ(refused_completion({{"prompt", {1, -5}}}), "prompt[1]");
  EXPECT_EQ(refused_completion({{"prompt", "abc"}}, {.text_bytes = 2}), "prompt");
  EXPECT_EQ(refused_completion({{"prompt", {1, 2, 3}}}, {.prompt_ids = 2}), "prompt");
}

TEST(CompletionRequest, FieldsOfItsOwn) {
  EXPECT_EQ(completion_of(completion_with(Json::object())).request.max_new_tokens, 16);
  EXPECT_EQ(completion_of(completion_with({{"max_tokens", 3}})).request.max_new_tokens, 3);
  EXPECT_EQ(completion_of(completion_with(Json::object())).request.top_logprobs, std::nullopt);
  EXPECT_EQ(completion_of(completion_with({{"logprobs", 0}})).request.top_logprobs, 0);
  EXPECT_EQ(completion_of(completion_with({{"logprobs", 5}})).request.top_logprobs, 5);
  EXPECT_EQ(refused_completion(completion_with({{"logprobs", true}})), "logprobs");
  EXPECT_TRUE(completion_of(completion_with({{"echo", true}})).echo);
  EXPECT_EQ(refused_completion(completion_with({{"echo", true}, {"logprobs", 1}})),
            "echo unsupported_parameter");
  EXPECT_EQ(refused_completion(completion_with({{"suffix", "x"}})), "suffix unsupported_parameter");
  EXPECT_EQ(refused_completion(completion_with({{"suffix", ""}})), "taken");
  EXPECT_EQ(refused_completion(completion_with({{"n", 2}, {"best_of", 2}})), "taken");
  EXPECT_EQ(refused_completion(completion_with({{"n", 2}, {"best_of", 3}})),
            "best_of unsupported_parameter");
  EXPECT_EQ(completion_of(completion_with({{"temperature", 0.5}})).request.temperature, 0.5);
  EXPECT_EQ(completion_of(completion_with({{"guided_regex", "x+"}})).request.form.definition, "x+");
  EXPECT_TRUE(completion_of(completion_with({{"stream", true}})).answer.stream);
}

}  // namespace
}  // namespace tessera
