#include "text/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"
#include "tests/text/text_data.h"
#include "text/unicode.h"

namespace tessera {
namespace {

using Role = ChatMessage::Role;
using Messages = std::vector<ChatMessage>;
using Specials = Tokenizer::Specials;

ChatMessage user(std::string text, int images = 0) {
  return {Role::kUser, std::move(text), images};
}
ChatMessage assistant(std::string text) {
  return {Role::kAssistant, std::move(text), 0};
}

std::string after_system(const Messages& messages) {
  const std::string prompt = ChatTemplate::named("mm_default").render(messages);
  const size_t end = prompt.find("\n\n");
  return prompt.substr(end);
}

TEST(ChatTemplate, SystemTextIsYis) {
  const Messages messages = {user("Q")};
  const std::string prompt = ChatTemplate::named("mm_default").render(messages);
  const std::string system = prompt.substr(0, prompt.find("\n\n"));
  EXPECT_EQ(system.size(), 453U);
  size_t code_points = 0;
  for (std::string_view rest = system; !rest.empty(); rest.remove_prefix(read_utf8(rest).bytes))
    ++code_points;
  EXPECT_EQ(code_points, 303U);
  EXPECT_TRUE(
      system.starts_with("This is a chat between an inquisitive human and an AI assistant. "));
  EXPECT_TRUE(system.ends_with("有帮助、详细的和礼貌的回答。"));
  EXPECT_EQ(prompt.substr(system.size()), "\n\n### Human: Q\n### Assistant:");
  EXPECT_EQ(prompt, ChatTemplate::named("yi_vl").render(messages));
}

TEST(ChatTemplate, TurnsArePutTogetherAsInTheReference) {
  EXPECT_EQ(after_system({user("Describe.", 1)}),
            "\n\n### Human: <image_placeholder>\nDescribe.\n### Assistant:");
  EXPECT_EQ(after_system({user("Describe.", 1), assistant("A cat."), user("What colour?")}),
            "\n\n### Human: <image_placeholder>\nDescribe.\n### Assistant: A cat.\n"
            "### Human: What colour?\n### Assistant:");
  EXPECT_EQ(after_system({user("Q1"), assistant(""), user("Q2")}),
            "\n\n### Human: Q1\n### Assistant:Human: Q2\n### Assistant:");
  EXPECT_EQ(after_system({user("Both?", 2)}),
            "\n\n### Human: <image_placeholder><image_placeholder>\nBoth?\n### Assistant:");
  EXPECT_EQ(after_system({user("", 1)}), "\n\n### Human: <image_placeholder>\n\n### Assistant:");
  EXPECT_EQ(after_system({user("  not stripped \n")}),
            "\n\n### Human:   not stripped \n\n### Assistant:");
}

TEST(ChatTemplate, PlainIsTheTextAlone) {
  const ChatTemplate plain = ChatTemplate::named("plain");
  EXPECT_EQ(plain.render(Messages{user("Once upon")}), "Once upon");
  EXPECT_EQ(plain.render(Messages{user("a", 1), assistant("b"), user("c")}),
            "<image_placeholder>abc");
  EXPECT_TRUE(plain.stop_strings().empty());
  EXPECT_THAT(ChatTemplate::named("mm_default").stop_strings(), testing::ElementsAre("###"));
}

TEST(ChatTemplate, ASystemMessageStandsInThePlaceOfTheTemplatesOwn) {
  const Messages messages = {{Role::kSystem, "Be brief."}, user("Hi", 1)};
  EXPECT_EQ(ChatTemplate::named("mm_default").render(messages),
            "Be brief.\n\n### Human: <image_placeholder>\nHi\n### Assistant:");
  EXPECT_EQ(ChatTemplate::named("qwen2").render(messages),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n<image_placeholder>Hi"
            "<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(ChatTemplate::named("plain").render(messages), "Be brief.<image_placeholder>Hi");
}

TEST(ChatTemplate, RefusesMalformedConversations) {
  const ChatTemplate yi = ChatTemplate::named("mm_default");
  const auto error = [&](const Messages& messages) {
    try {
      yi.render(messages);
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error({}), "messages: expected at least one, found none");
  EXPECT_EQ(error({user("")}), "messages: [0]: expected a question, found an empty text");
  EXPECT_EQ(error({user("Q"), assistant("A")}),
            "messages: the last one: expected a user's, found an assistant's");
  EXPECT_EQ(error({user("Q"), {Role::kAssistant, "A", 1}, user("Q")}),
            "messages: [1]: expected no picture but from the user, found 1");
  EXPECT_EQ(
      error({user("Q"), {Role::kSystem, "S"}, user("Q")}),
      "messages: [1]: expected a user's or an assistant's, found a system message that is not "
      "the first");
  EXPECT_EQ(error({{Role::kSystem, "S"}}),
            "messages: the last one: expected a user's, found a system message");
  EXPECT_EQ(error({user("Q", -1)}), "messages: [0]: expected no fewer than 0 pictures, found -1");
  EXPECT_EQ(error_of([] { ChatTemplate::named("chatml\n"); }),
            "conversation mode: expected one of mm_default, yi_vl, plain, chatml, smollm2, qwen2, "
            "qwen2.5, llama3, found \"chatml\\n\"");
}

TEST(Prompt, APlaceholderThatAUserWroteIsNoPicture) {
  const auto tokenizer = Tokenizer::open(kData + "/yi");
  const ChatTemplate yi = ChatTemplate::named("mm_default");
  const Messages messages = {user("What is <image_placeholder>?", 1)};
  const std::vector<int32_t> ids = build_prompt(*tokenizer, yi, messages);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), kImageToken), 1);
  const auto picture = std::find(ids.begin(), ids.end(), kImageToken);
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>(picture + 1, ids.end())),
            "\nWhat is <image_placeholder>?\n### Assistant:");
}

TEST(Prompt, ChunksAreEncodedOnTheirOwnWithOneBos) {
  const auto tokenizer = Tokenizer::open(kData + "/not_legacy");
  const ChatTemplate plain = ChatTemplate::named("plain");
  std::vector<int32_t> want = {tokenizer->bos_id()};
  const auto add = [&](const std::string& chunk) {
    const auto ids = tokenizer->encode(chunk, Specials::kParse);
    want.insert(want.end(), ids.begin(), ids.end());
  };
  add("first ");
  want.insert(want.end(), {kImageToken, kImageToken});
  add("second");
  EXPECT_EQ(build_prompt(*tokenizer, plain, Messages{user("first "), user("second", 2)}), want);
}

TEST(Prompt, SpecialsInAQuestionAreParsedOrNot) {
  const auto tokenizer = Tokenizer::open(kData + "/user_defined");
  const ChatTemplate yi = ChatTemplate::named("mm_default");
  const Messages messages = {user("a<|im_end|>b")};
  const auto parsed = build_prompt(*tokenizer, yi, messages);
  const auto text = build_prompt(*tokenizer, yi, messages, Specials::kAsText);
  EXPECT_EQ(std::count(parsed.begin(), parsed.end(), 7), 1);
  EXPECT_EQ(std::count(text.begin(), text.end(), 7), 0);
  EXPECT_EQ(tokenizer->decode(text), yi.render(messages));
}

}  // namespace
}  // namespace tessera
