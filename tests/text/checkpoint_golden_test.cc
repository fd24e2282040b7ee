// The tiny checkpoints of tests/golden: what the oracle recorded for their tokenizers and prompts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "text/answer_trim.h"
#include "text/incremental_decoder.h"
#include "text/prompt.h"
#include "text/stop_filter.h"

namespace tessera {
namespace {

using Ids = std::vector<int32_t>;
using Specials = Tokenizer::Specials;

constexpr uint64_t kMaxGoldenBytes = 16 << 20;

class TinyCheckpoint : public testing::TestWithParam<const char*> {
 protected:
  const std::string dir = std::string(TESSERA_GOLDEN_DIR) + "/" + GetParam();
  const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::open(dir);
};

INSTANTIATE_TEST_SUITE_P(Checkpoints, TinyCheckpoint,
                         testing::Values("yi_vl_tiny", "yi_vl_odd", "yi_vl_shards", "llama_tiny"),
                         [](const auto& checkpoint) { return std::string(checkpoint.param); });

TEST_P(TinyCheckpoint, TokenizerIsTheOracles) {
  const Json golden = read_json_file(dir + "/golden/tokenizer.json", kMaxGoldenBytes);
  EXPECT_EQ(tokenizer->add_bos(), golden["add_bos"].get<bool>());
  Ids special_ids;
  for (const auto& [content, id] : golden["specials"].items()) special_ids.push_back(id);
  for (const Json& entry : golden["encode"]) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(tokenizer->encode(text, Specials::kParse), entry["ids"].get<Ids>()) << text;
    // Where sentencepiece itself finds special tokens, kAsText goes further than the oracle.
    const Ids plain = entry["plain_ids"].get<Ids>();
    const bool found = std::any_of(plain.begin(), plain.end(), [&](int32_t id) {
      return id != 0 && std::find(special_ids.begin(), special_ids.end(), id) != special_ids.end();
    });
    if (found) continue;
    EXPECT_EQ(tokenizer->encode(text, Specials::kAsText), plain) << text;
  }
  for (const Json& entry : golden["decode"])
    EXPECT_EQ(tokenizer->decode(entry["ids"].get<Ids>()), entry["text"].get<std::string>())
        << entry["ids"];
  EXPECT_GT(golden["encode"].size(), 30U);
  EXPECT_GT(golden["decode"].size(), 15U);
}

// The conversation of a case up to one turn. Earlier answers are read back from the prompt, as a
// case may give its own.
std::vector<ChatMessage> conversation(const Json& turns, size_t last, int images) {
  std::vector<ChatMessage> messages;
  for (size_t turn = 0; turn <= last; ++turn) {
    const auto question = turns[turn]["question"].get<std::string>();
    if (turn > 0) {
      const auto before = turns[turn - 1]["prompt"].get<std::string>();
      const auto prompt = turns[turn]["prompt"].get<std::string>();
      const std::string end = "\n### Human: " + question + "\n### Assistant:";
      std::string reply;
      if (prompt.ends_with(end)) {
        EXPECT_EQ(prompt.substr(0, before.size() + 1), before + " ");
        reply = prompt.substr(before.size() + 1, prompt.size() - end.size() - before.size() - 1);
      }
      messages.push_back({ChatMessage::Role::kAssistant, reply, 0});
    }
    messages.push_back({ChatMessage::Role::kUser, question, turn == 0 ? images : 0});
  }
  return messages;
}

TEST_P(TinyCheckpoint, PromptsAreTheOracles) {
  const Json golden = read_json_file(dir + "/golden/goldens.json", kMaxGoldenBytes);
  const ChatTemplate chat = ChatTemplate::named(golden["template"].get<std::string>());
  size_t turns_seen = 0;
  for (const Json& golden_case : golden["cases"]) {
    const auto images = static_cast<int>(golden_case["pictures"].size());
    const Json& turns = golden_case["turns"];
    for (size_t turn = 0; turn < turns.size(); ++turn, ++turns_seen) {
      const auto messages = conversation(turns, turn, images);
      SCOPED_TRACE(golden_case["name"].get<std::string>());
      EXPECT_EQ(chat.render(messages), turns[turn]["prompt"].get<std::string>());
      EXPECT_EQ(build_prompt(*tokenizer, chat, messages), turns[turn]["prompt_ids"].get<Ids>());
    }
  }
  EXPECT_GE(turns_seen, 7U);
}

// The recorded ids, streamed through decoder, stop strings and strip, are the recorded answer.
TEST_P(TinyCheckpoint, AnswersStreamToTheOraclesText) {
  const Json golden = read_json_file(dir + "/golden/goldens.json", kMaxGoldenBytes);
  const bool plain = golden["template"] == "plain";
  const ChatTemplate chat = ChatTemplate::named(golden["template"].get<std::string>());
  for (const Json& golden_case : golden["cases"]) {
    for (const Json& turn : golden_case["turns"]) {
      IncrementalDecoder decoder(*tokenizer);
      StopFilter stop(chat.stop_strings());
      StripFilter strip_filter;
      std::string answer;
      const auto take = [&](const std::string& text) {
        answer += plain ? text : strip_filter.push(text);
      };
      for (const int32_t id : turn["token_ids"].get<Ids>()) take(stop.push(decoder.push(id)));
      take(stop.push(decoder.finish()));
      take(stop.finish());
      EXPECT_EQ(answer, turn["text"].get<std::string>()) << golden_case["name"];
    }
  }
}

}  // namespace
}  // namespace tessera
