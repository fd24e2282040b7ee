#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/json.h"
#include "tests/support/error_of.h"
#include "tests/text/bpe_corpus.h"
#include "tests/text/text_data.h"
#include "text/incremental_decoder.h"
#include "text/unicode.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using Specials = Tokenizer::Specials;

// tools/text_goldens.py made the folders: tokenizers and what Python's sentencepiece does there.
class RecordedTokenizer : public testing::TestWithParam<const char*> {
 protected:
  const std::string dir = kData + "/" + GetParam();
  const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::open(dir);
  const Json goldens = read_json_file(dir + "/goldens.json", 1 << 22);
};

INSTANTIATE_TEST_SUITE_P(Kinds, RecordedTokenizer,
                         testing::Values("yi", "user_defined", "llama", "not_legacy", "alone"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(RecordedTokenizer, EncodesAsRecorded) {
  int seen = 0;
  for (const Json& golden : goldens) {
    if (!golden.contains("ids")) continue;
    const std::string text = from_hex(golden["text"].get<std::string>());
    EXPECT_EQ(tokenizer->encode(text, Specials::kParse), golden["ids"].get<std::vector<int32_t>>())
        << text;
    EXPECT_EQ(tokenizer->encode(text, Specials::kAsText),
              golden["as_text"].get<std::vector<int32_t>>())
        << text;
    ++seen;
  }
  EXPECT_GE(seen, 35);
}

TEST_P(RecordedTokenizer, DecodesAsRecordedWholeAndPieceByPiece) {
  int seen = 0;
  for (const Json& golden : goldens) {
    if (!golden.contains("decode")) continue;
    const auto ids = golden["decode"].get<std::vector<int32_t>>();
    const std::string text = from_hex(golden["text"].get<std::string>());
    EXPECT_EQ(tokenizer->decode(ids), text) << testing::PrintToString(ids);
    IncrementalDecoder decoder(*tokenizer);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string part = decoder.push(id);
      EXPECT_TRUE(is_valid_utf8(part)) << testing::PrintToString(ids);
      streamed += part;
    }
    streamed += decoder.finish();
    EXPECT_EQ(streamed, text) << testing::PrintToString(ids);
    ++seen;
  }
  EXPECT_GE(seen, 150);
}

TEST_P(RecordedTokenizer, RandomIdsStreamAsTheyDecode) {
  std::mt19937 rng(1);
  const auto vocab = static_cast<int32_t>(tokenizer->vocab_size());
  IncrementalDecoder decoder(*tokenizer);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int32_t> ids(rng() % 30);
    for (int32_t& id : ids)
      id =
          static_cast<int32_t>(rng() % static_cast<uint32_t>(round % 2 == 0 ? 265 : vocab + 2)) - 1;
    std::string streamed;
    for (const int32_t id : ids) {
      streamed += decoder.push(id);
      ASSERT_TRUE(is_valid_utf8(streamed));
    }
    streamed += decoder.finish();
    ASSERT_TRUE(is_valid_utf8(streamed));
    ASSERT_EQ(streamed, tokenizer->decode(ids)) << testing::PrintToString(ids);
  }
}

TEST(Tokenizer, KnowsItsSpecialIds) {
  const auto yi = Tokenizer::open(kData + "/yi");
  EXPECT_FALSE(yi->add_bos());
  EXPECT_EQ(yi->bos_id(), 1);
  EXPECT_EQ(yi->eos_id(), 2);
  EXPECT_EQ(yi->vocab_size(), 420);
  EXPECT_TRUE(Tokenizer::open(kData + "/not_legacy")->add_bos());
  const auto alone = Tokenizer::open(kData + "/alone");  // Hugging Face's default
  EXPECT_TRUE(alone->add_bos());
  EXPECT_EQ(alone->bos_id(), 1);
}

TEST(Tokenizer, SpecialIdsVanishAndStrangersToo) {
  const auto yi = Tokenizer::open(kData + "/yi");
  std::vector<int32_t> ids = yi->encode("one two", Specials::kParse);
  for (const int32_t stray : {0, 1, 2, 6, 7, 8, -200, 420, INT32_MAX, INT32_MIN})
    ids.insert(ids.begin() + static_cast<int>(ids.size() / 2), stray);
  EXPECT_EQ(yi->decode(ids), "one two");
}

TEST(Tokenizer, RefusesTooLongText) {
  const auto yi = Tokenizer::open(kData + "/yi");
  EXPECT_THAT(error_of([&] {
                yi->encode(std::string(Tokenizer::kMaxTextBytes + 1, 'a'), Specials::kParse);
              }),
              HasSubstr("expected at most 1048576 bytes, found 1048577 bytes"));
}

TEST(Tokenizer, KnowsItsFileAndWhatIsText) {
  const std::string dir = kData + "/yi";
  const auto yi = Tokenizer::open(dir);
  EXPECT_EQ(yi->file(), dir + "/tokenizer.model");
  // Unknown, control and added ones are none; the bytes behind them and all pieces are.
  for (int32_t id = -1; id <= yi->vocab_size(); ++id)
    EXPECT_EQ(yi->is_text(id), id >= 9 && id < 420) << id;
}

// U+FFFD comes as soon as it is certain, and not a byte later.
TEST(IncrementalDecoder, GivesOutWhatIsCertain) {
  const auto yi = Tokenizer::open(kData + "/yi");
  int32_t zero = 0;  // the id of "<0x00>", the first of 256
  while (yi->fragment(zero).kind != Fragment::Kind::kBytes) ++zero;
  IncrementalDecoder decoder(*yi);
  const auto push = [&](int byte) { return decoder.push(zero + byte); };
  const std::string bad(kReplacementCharacter);
  EXPECT_EQ(push(0xF0), "");
  EXPECT_EQ(push(0x9F), "");
  EXPECT_EQ(push(0x8E), "");
  EXPECT_EQ(decoder.push(7), "");  // a special id does not end the run
  EXPECT_EQ(push(0x89), "🎉");
  EXPECT_EQ(push(0xC0), bad);
  EXPECT_EQ(push(0xED), "");
  EXPECT_EQ(push(0xA0), bad + bad);
  EXPECT_EQ(push(0xE5), "");
  EXPECT_EQ(push(0x9C), "");
  EXPECT_EQ(push('a'), bad + bad + "a");
  EXPECT_EQ(push(0xE5), "");
  EXPECT_EQ(push(0x9C), "");
  EXPECT_EQ(decoder.finish(), bad + bad);
  EXPECT_EQ(decoder.finish(), "");
}

}  // namespace
}  // namespace tessera
