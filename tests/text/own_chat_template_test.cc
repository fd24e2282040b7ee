#include "text/own_chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"
#include "tests/text/text_data.h"
#include "text/prompt.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Bos = ChatTemplate::Bos;
using Style = ChatTemplate::Style;
using Ids = std::vector<int32_t>;

// The templates of these folders, and the prompts that transformers makes with them
// (tools/bpe_goldens.py).
class RecordedChats : public testing::TestWithParam<const char*> {
 protected:
  const std::string dir = kData + "/bpe/" + GetParam();
};

INSTANTIATE_TEST_SUITE_P(Kinds, RecordedChats,
                         testing::Values("smollm2", "qwen2", "llama3", "gpt4", "gpt4o"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(RecordedChats, PromptsAreThoseOfTransformers) {
  const auto tokenizer = Tokenizer::open(dir);
  const ChatTemplate chat = own_chat_template(dir);
  const Json config = read_json_file(dir + "/tokenizer_config.json", 1 << 16);
  const std::string bos =
      chat.format().bos == Bos::kAlways ? config["bos_token"].get<std::string>() : "";
  const Json goldens = read_json_file(dir + "/goldens.json", 1 << 20)["chats"];
  EXPECT_EQ(goldens.size(), 4U);
  for (const Json& golden : goldens) {
    std::vector<ChatMessage> messages;
    for (const Json& message : golden["messages"])
      messages.push_back({.role = message["role"] == "user" ? ChatMessage::Role::kUser
                                                            : ChatMessage::Role::kAssistant,
                          .text = message["content"].get<std::string>()});
    EXPECT_EQ(bos + chat.render(messages), golden["prompt"].get<std::string>());
    EXPECT_EQ(build_prompt(*tokenizer, chat, messages), golden["ids"].get<Ids>());
    // Special tokens that people wrote can be left text; the template's are always parsed.
    const Ids safe = build_prompt(*tokenizer, chat, messages, Tokenizer::Specials::kAsText);
    const size_t ends = messages.size() + (chat.format().system.empty() ? 0 : 1);
    EXPECT_EQ(std::count(safe.begin(), safe.end(), tokenizer->id_of(chat.end_token())),
              static_cast<ptrdiff_t>(ends));
  }
}

TEST(OwnChatTemplate, GoesByTheNameOfTheSameFormat) {
  const auto name = [](const char* kind) {
    return own_chat_template(kData + "/bpe/" + kind).name();
  };
  EXPECT_EQ(name("smollm2"), "smollm2");
  EXPECT_EQ(name("qwen2"), "qwen2.5");
  EXPECT_EQ(name("llama3"), "llama3");
  EXPECT_EQ(name("gpt4"), "chatml");
  EXPECT_EQ(name("gpt4o"), "chatml");    // with a bos token
  EXPECT_EQ(name("deepseek"), "plain");  // a folder without a template
}

constexpr const char* kLoop =
    "{% for m in messages %}{{'<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n'}}"
    "{% endfor %}{{ '<|im_start|>assistant\n' }}";

TEST(OwnChatTemplate, TakesTheSystemPromptFromTheTemplate) {
  const auto system = [](const std::string& before) {
    return recognise_chat_template(before + kLoop, "t").format().system;
  };
  EXPECT_EQ(system(""), "");
  EXPECT_EQ(system("{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}"), "Be kind.");
  EXPECT_EQ(system("<|im_start|>system\nSei nett, mit Umlauten: äöü。<|im_end|>\n"),
            "Sei nett, mit Umlauten: äöü。");
  EXPECT_EQ(system("{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}"
                   "{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}"),
            "Be kind.");
}

TEST(OwnChatTemplate, SaysWhatItDoesNotKnow) {
  const auto error = [](const std::string& jinja) {
    return error_of([&] { recognise_chat_template(jinja, "file"); });
  };
  EXPECT_EQ(error(kLoop), "no error");
  EXPECT_EQ(error("[INST] {{ messages[0].content }} [/INST]"),
            "file: chat template: expected a form that Tessera knows: ChatML or Llama 3's, found "
            "another (choose one with --conv-mode: mm_default, yi_vl, plain, chatml, smollm2, "
            "qwen2, qwen2.5, llama3)");
  const std::string loop = kLoop;
  for (const char* more :
       {"{{ strftime_now('%d') }}", "{{ '<think>' }}", "{{ eos_token }}", "<|tool|>", "<|",
        "{{ m.content.strip() }}", "{{ '<|im_start|>system\n' + system_message + '<|im_end|>' }}",
        "{{ '<|im_start|>system\nYou' + 'r name<|im_end|>' }}",
        "<|im_start|>system\nOne.<|im_end|><|im_start|>system\nTwo.<|im_end|>",
        "<|im_start|>system\n<|im_end|>", "{% set messages = [{'role': 'system'}] + messages %}"}) {
    EXPECT_THAT(error(loop + more), HasSubstr("found another")) << more;
    EXPECT_THAT(error(more + loop), HasSubstr("found another")) << more;
  }
  // Llama 3.1 writes dates into a system prompt of its own.
  EXPECT_THAT(error("{{ '<|start_header_id|>system<|end_header_id|>\n\nToday: <|eot_id|>"
                    "<|start_header_id|>assistant<|end_header_id|>\n\n' }}"),
              HasSubstr("found another"));
  EXPECT_THAT(error(""), HasSubstr("found another"));
}

TEST(OwnChatTemplate, ReadsTheFilesThatThereAre) {
  const TempFolder folder;
  const auto name = [&] { return own_chat_template(folder.path()).name(); };
  EXPECT_EQ(name(), "plain");
  folder.write("tokenizer_config.json", "{}");
  EXPECT_EQ(name(), "plain");
  Json config = {
      {"chat_template",
       {{{"name", "tool_use"}, {"template", "?"}}, {{"name", "default"}, {"template", kLoop}}}}};
  folder.write("tokenizer_config.json", config.dump());
  EXPECT_EQ(name(), "chatml");
  config["chat_template"].erase(1);
  folder.write("tokenizer_config.json", config.dump());
  EXPECT_THAT(error_of([&] { own_chat_template(folder.path()); }),
              HasSubstr("chat_template: expected one named \"default\""));
  folder.write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_THAT(error_of([&] { own_chat_template(folder.path()); }),
              AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("expected a string")));
  folder.write("chat_template.jinja", kLoop);
  EXPECT_EQ(name(), "chatml");
}

TEST(Prompt, RefusesATemplateThatTheVocabularyCannotWrite) {
  const auto gpt2 = Tokenizer::open(kData + "/bpe/gpt2");
  const auto gpt4 = Tokenizer::open(kData + "/bpe/gpt4");
  const std::vector<ChatMessage> messages = {{.text = "Q"}};
  const auto error = [&](const Tokenizer& tokenizer, const ChatTemplate& chat) {
    return error_of([&] { build_prompt(tokenizer, chat, messages); });
  };
  EXPECT_EQ(error(*gpt2, ChatTemplate::named("chatml")),
            "conversation mode chatml: expected a model with the token <|im_start|>, found a "
            "vocabulary without it");
  EXPECT_EQ(error(*gpt4, ChatTemplate::named("chatml")), "no error");
  EXPECT_THAT(error(*gpt4, ChatTemplate({.style = Style::kChatMl, .bos = Bos::kAlways})),
              HasSubstr("expected a tokenizer with a bos token"));
}

}  // namespace
}  // namespace tessera
