#include "runtime/check_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/goldens.h"
#include "tests/support/error_of.h"
#include "text/bpe_tokenizer.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// A tokenizer of `pieces` texts and then `specials` special tokens.
std::unique_ptr<Tokenizer> tokenizer_of(int64_t pieces, int specials = 0) {
  TokenizerJson json;
  json.where = "tokenizer.json";
  json.pre_tokenizer = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  for (int64_t id = 0; id < pieces; ++id) json.vocab.push_back("w" + std::to_string(id));
  for (int i = 0; i < specials; ++i)
    json.added.push_back({.content = "<" + std::to_string(i) + ">",
                          .id = static_cast<int32_t>(pieces + i),
                          .special = true});
  return make_bpe_tokenizer(std::move(json), {});
}

ModelConfig model_of(int64_t vocab, std::vector<int64_t> ends) {
  ModelConfig config;
  config.decoder.vocab = vocab;
  config.decoder.eos_ids = std::move(ends);
  return config;
}

std::string sized(int64_t pieces, int64_t vocab) {
  return error_of(
      [&] { check_tokenizer(*tokenizer_of(pieces - 1, 1), model_of(vocab, {pieces - 1})); });
}

TEST(CheckTokenizer, AllowsWhatPublishedModelsPadWith) {
  const struct {
    int64_t pieces, vocab;
  } published[] = {
      {64000, 64000},    // Yi, Yi-VL
      {64002, 64064},    // Yi-VL in Hugging Face's layout
      {49152, 49152},    // SmolLM2
      {32000, 32000},    // Llama 2
      {32022, 32256},    // DeepSeek-Coder
      {100015, 102400},  // DeepSeek-LLM
      {128256, 128256},  // Llama 3
      {151646, 151936},  // Qwen2, the smaller ones
      {151665, 152064},  // Qwen2.5, the larger ones
      {300, 320},        // toys, rounded up to 64 and to 256
      {300, 512},
  };
  for (const auto& [pieces, vocab] : published)
    EXPECT_EQ(sized(pieces, vocab), "no error") << pieces << " of " << vocab;
}

TEST(CheckTokenizer, RefusesOneOfAnotherSize) {
  EXPECT_EQ(sized(300, 448),
            "tokenizer.json: vocabulary: expected 385 to 448 pieces for the model's 448 ids, found "
            "300 (tokenizer of another model?)");
  EXPECT_THAT(sized(32000, 64000), HasSubstr("expected 60000 to 64000 pieces"));
  EXPECT_THAT(sized(128256, 151936), HasSubstr("found 128256"));
  EXPECT_THAT(sized(300, 411), HasSubstr("expected 386 to 411 pieces"));
  EXPECT_EQ(sized(449, 448),
            "tokenizer.json: vocabulary: expected at most the model's 448 ids, found 449 "
            "(tokenizer of another model?)");
}

TEST(CheckTokenizer, HoldsTheConfigurationsIdsAgainstThePieces) {
  const auto tokenizer = tokenizer_of(1000, 2);
  const auto error = [&](const ModelConfig& config) {
    return error_of([&] { check_tokenizer(*tokenizer, config); });
  };
  ModelConfig config = model_of(1024, {1000, 1001});
  EXPECT_EQ(error(config), "no error");
  config.decoder.bos_id = 1000;
  config.decoder.pad_id = 7;
  EXPECT_EQ(error(config), "no error");

  config.decoder.pad_id = 1002;
  EXPECT_EQ(error(config),
            "tokenizer.json: pad_token_id 1002 of the model's configuration: expected a piece, "
            "found 1002 pieces (tokenizer of another model?)");
  config.decoder.pad_id = -1;
  config.decoder.bos_id = 1;
  EXPECT_EQ(error(config),
            "tokenizer.json: bos_token_id 1 of the model's configuration: expected a special "
            "token, found the text \"w1\" (tokenizer of another model?)");
  config.decoder.bos_id = -1;
  config.decoder.eos_ids = {2, 3};
  EXPECT_THAT(error(config), AllOf(HasSubstr("eos_token_id 2"), HasSubstr("the text \"w2\"")));
  config.decoder.eos_ids = {2, 1001};
  EXPECT_EQ(error(config), "no error");
  config.decoder.eos_ids = {1001, 1002};
  EXPECT_THAT(error(config), AllOf(HasSubstr("eos_token_id 1002"), HasSubstr("expected a piece")));

  config = model_of(1024, {2});
  config.decoder.eos_assumed = true;
  EXPECT_THAT(error(config), HasSubstr("eos_token_id 2"));
  config.generation.eos_ids = {2};
  EXPECT_EQ(error(config), "no error");
  config.generation.eos_ids = {1023};
  EXPECT_THAT(error(config), HasSubstr("eos_token_id 1023"));
}

TEST(CheckTokenizer, TellsTheTestCheckpointsApart) {
  const std::vector<std::string> names = {"yi_vl_tiny", "yi_vl_odd", "yi_vl_shards", "llama_tiny"};
  for (const std::string& model : names)
    for (const std::string& other : names) {
      const std::string error = error_of([&] {
        check_tokenizer(*Tokenizer::open(golden_dir(other)), read_model_config(golden_dir(model)));
      });
      // 397 pieces could be those of a model of 411 that was padded.
      const bool like = model == other || (model == "yi_vl_odd" && other == "yi_vl_shards") ||
                        (model == "yi_vl_tiny" && other != "llama_tiny");
      if (like) {
        EXPECT_EQ(error, "no error") << other << " for " << model;
      } else {
        EXPECT_THAT(error, StartsWith(golden_dir(other) + "/tokenizer.model: vocabulary: "));
      }
    }
}

}  // namespace
}  // namespace tessera
