#include "text/bpe_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/json.h"
#include "tests/text/bpe_corpus.h"
#include "tests/text/text_data.h"
#include "text/incremental_decoder.h"
#include "text/unicode.h"

namespace tessera {
namespace {

using Ids = std::vector<int32_t>;
using Specials = Tokenizer::Specials;

const BpeCorpus& corpus() {
  static const BpeCorpus kCorpus(kData);
  return kCorpus;
}

// tools/bpe_goldens.py made the folders: tokenizers, and what the tokenizers package does there.
class RecordedBpe : public testing::TestWithParam<const char*> {
 protected:
  const std::string dir = kData + "/bpe/" + GetParam();
  const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::open(dir);
  const Json goldens = read_json_file(dir + "/goldens.json", 1 << 20);

  // Compares hashes over runs of texts; says which run differs.
  template <typename Add>
  void expect_hashes(const char* key, const char* in_one, const Add& add) const {
    uint64_t number = 0;
    for (const Json& hash : goldens[key]) {
      Fnv value;
      const uint64_t begin = number;
      for (int i = goldens[in_one].get<int>(); i > 0; --i) add(value, number++);
      ASSERT_EQ(value.hex(), hash.get<std::string>()) << key << " of texts " << begin << " on";
    }
    EXPECT_GT(number, 0U);
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, RecordedBpe,
                         testing::Values("gpt2", "smollm2", "qwen2", "llama3", "gpt4", "gpt4o",
                                         "deepseek", "deepseek3", "flags", "unknown", "fallback",
                                         "many_ways"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(RecordedBpe, EncodesExamplesAsRecorded) {
  EXPECT_EQ(tokenizer->vocab_size(), goldens["vocab"].get<int64_t>());
  for (const Json& example : goldens["examples"]) {
    const std::string text = from_hex(example["text"].get<std::string>());
    EXPECT_EQ(tokenizer->encode(text, Specials::kParse), example["ids"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer->decode(example["ids"].get<Ids>()),
              from_hex(example["back"].get<std::string>()));
  }
  EXPECT_GE(goldens["examples"].size(), 20U);
}

TEST_P(RecordedBpe, EncodesAMegabyteAsRecorded) {
  size_t bytes = 0;
  expect_hashes("encode", "texts_a_hash", [&](Fnv& value, uint64_t number) {
    const std::string text = corpus().text(number);
    bytes += text.size();
    value.add_ids(tokenizer->encode(text, Specials::kParse));
  });
  EXPECT_EQ(bytes, goldens["bytes"].get<size_t>());
  EXPECT_GT(bytes, 1'000'000U);
}

TEST_P(RecordedBpe, EncodesSpecialTokensAsTextAsRecorded) {
  expect_hashes("as_text", "texts_a_hash", [&](Fnv& value, uint64_t number) {
    value.add_ids(tokenizer->encode(corpus().text(number), Specials::kAsText));
  });
}

TEST_P(RecordedBpe, DecodesAsRecordedWholeAndPieceByPiece) {
  const auto vocab = static_cast<uint32_t>(tokenizer->vocab_size());
  expect_hashes("decode", "lists_a_hash", [&](Fnv& value, uint64_t number) {
    const Ids ids = BpeCorpus::ids(number, vocab);
    const std::string whole = tokenizer->decode(ids);
    value.add(whole);
    value.add({"\0", 1});
    IncrementalDecoder decoder(*tokenizer);
    std::string streamed;
    for (const int32_t id : ids) {
      streamed += decoder.push(id);
      ASSERT_TRUE(is_valid_utf8(streamed));
    }
    ASSERT_EQ(streamed += decoder.finish(), whole);
  });
}

TEST(BpeTokenizer, KnowsItsSpecialIds) {
  const auto qwen = Tokenizer::open(kData + "/bpe/qwen2");
  EXPECT_FALSE(qwen->add_bos());
  EXPECT_EQ(qwen->bos_id(), -1);
  EXPECT_EQ(qwen->eos_id(), qwen->id_of("<|im_end|>"));
  EXPECT_EQ(qwen->id_of("<|nothing|>"), -1);
  const auto llama = Tokenizer::open(kData + "/bpe/llama3");
  EXPECT_TRUE(llama->add_bos());
  EXPECT_EQ(llama->bos_id(), llama->id_of("<|begin_of_text|>"));
  EXPECT_EQ(llama->file(), kData + "/bpe/llama3/tokenizer.json");
  for (const char* text : {"a", "Ġ", "Ġthe"}) EXPECT_TRUE(qwen->is_text(qwen->id_of(text))) << text;
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|nothing|>"})
    EXPECT_FALSE(qwen->is_text(qwen->id_of(token))) << token;
}

TEST(BpeTokenizer, SpecialIdsVanishAndStrangersToo) {
  const auto qwen = Tokenizer::open(kData + "/bpe/qwen2");
  Ids ids = qwen->encode("one 天 two", Specials::kParse);
  for (const int32_t stray : {480, 481, 482, -1, -200, 10000, INT32_MAX, INT32_MIN})
    for (size_t i = 0; i < 3; ++i)
      ids.insert(ids.begin() + static_cast<ptrdiff_t>(ids.size() * i / 3), stray);
  EXPECT_EQ(qwen->decode(ids), "one 天 two");
}

TEST(BpeTokenizer, PartsAreOneText) {
  const auto qwen = Tokenizer::open(kData + "/bpe/qwen2");
  for (uint64_t number = 0; number < 50; ++number) {
    const std::string text = to_valid_utf8(corpus().text(number));
    std::vector<Tokenizer::Part> parts;
    size_t at = 0;
    while (at < text.size()) {
      size_t end = std::min(text.size(), at + 1 + number * 7 % 60);
      while (end < text.size() && static_cast<uint8_t>(text[end]) >> 6 == 2) ++end;
      parts.push_back({std::string_view(text).substr(at, end - at), Specials::kAsText});
      at = end;
    }
    // "<tool_call>" is not special, and found in one part only.
    if (text.find("<tool_call>") != text.npos || text.find("tou") != text.npos) continue;
    EXPECT_EQ(qwen->encode(parts), qwen->encode(text, Specials::kAsText)) << text;
  }
}

TEST(BpeTokenizer, SpecialsLieWithinOnePartThatIsParsed) {
  for (const char* kind : {"qwen2", "gpt2", "smollm2"}) {
    const auto tokenizer = Tokenizer::open(kData + "/bpe/" + kind);
    const int32_t end = tokenizer->id_of("<|endoftext|>");
    const auto count = [&](std::vector<Tokenizer::Part> parts) {
      const Ids ids = tokenizer->encode(parts);
      return std::count(ids.begin(), ids.end(), end);
    };
    const std::string_view text = "<|endoftext|>";
    EXPECT_EQ(count({{text, Specials::kParse}}), 1);
    EXPECT_EQ(count({{text, Specials::kAsText}}), 0);
    EXPECT_EQ(
        count({{"a", Specials::kAsText}, {text, Specials::kParse}, {text, Specials::kAsText}}), 1);
    for (size_t cut = 1; cut < text.size(); ++cut) {
      EXPECT_EQ(
          count({{text.substr(0, cut), Specials::kAsText}, {text.substr(cut), Specials::kParse}}),
          0);
      // A beginning of one that somebody wrote cannot swallow the one behind it.
      EXPECT_EQ(count({{text.substr(0, cut), Specials::kAsText}, {text, Specials::kParse}}), 1);
    }
  }
}

// One word of a megabyte, runs of spaces, and nothing but broken bytes: all in well under a second.
TEST(BpeTokenizer, TakesNoLongerForOneLongWord) {
  const auto llama = Tokenizer::open(kData + "/bpe/llama3");
  for (const std::string& piece : {std::string("a"), std::string("the"), std::string(" "),
                                   std::string(" \n"), std::string("天"), std::string("\xFF"),
                                   std::string("<"), std::string("'"), std::string("A1 ")}) {
    std::string text;
    while (text.size() + piece.size() <= Tokenizer::kMaxTextBytes) text += piece;
    const auto begin = std::chrono::steady_clock::now();
    const Ids ids = llama->encode(text, Specials::kParse);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << piece;
    EXPECT_EQ(llama->decode(ids), to_valid_utf8(text));
  }
}

}  // namespace
}  // namespace tessera
