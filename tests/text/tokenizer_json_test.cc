// Damaged and foreign tokenizer.json files: always one Error that names the key.

#include "text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"
#include "tests/text/text_data.h"
#include "text/bpe_tokenizer.h"
#include "text/unicode.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

Json added(const std::string& content, int id, bool special = true) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// The smallest file there is: two letters and one merge.
Json small() {
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  return {{"version", "1.0"},
          {"added_tokens", Json::array({added("<|end|>", 3)})},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", {"a b"}}}}};
}

std::string open(const Json& json, TokenNames names = {}) {
  names.where = "c";
  return error_of([&] { make_bpe_tokenizer(parse_tokenizer_json(json.dump(), "t"), names); });
}

// The error of small() with one value changed; `path` as in JSON pointers.
std::string with(const std::string& path, const Json& value) {
  Json json = small();
  json[Json::json_pointer(path)] = value;
  return open(json);
}

std::string without(const std::string& object, const std::string& key) {
  Json json = small();
  json[Json::json_pointer(object)].erase(key);
  return open(json);
}

TEST(TokenizerJson, TheSmallestFile) {
  const auto tokenizer = make_bpe_tokenizer(parse_tokenizer_json(small().dump(), "t"), {});
  EXPECT_EQ(tokenizer->encode("abba<|end|>xa", Tokenizer::Specials::kParse),
            (std::vector<int32_t>{2, 1, 0, 3, 0}));  // what has no token is left out
  EXPECT_EQ(tokenizer->vocab_size(), 4);
  EXPECT_EQ(tokenizer->id_of("ab"), 2);
  EXPECT_FALSE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->eos_id(), -1);
}

TEST(TokenizerJson, NamesFileAndKeyOfTheModel) {
  EXPECT_EQ(with("/model/type", "Unigram"),
            "t: model.type: expected \"BPE\", found \"Unigram\" (this kind of tokenizer is not "
            "supported)");
  EXPECT_EQ(with("/model/dropout", 0.1), "t: model.dropout: expected null or 0, found 0.1");
  EXPECT_EQ(with("/model/dropout", 0), "no error");
  EXPECT_THAT(with("/model/end_of_word_suffix", "</w>"),
              StartsWith("t: model.end_of_word_suffix: expected null, found \"</w>\""));
  EXPECT_EQ(with("/model/continuing_subword_prefix", ""), "no error");
  EXPECT_EQ(with("/model/unk_token", "<unk>"),
            "t: model.unk_token: expected a token of the vocabulary, found \"<unk>\"");
  EXPECT_EQ(with("/model/fuse_unk", 1), "t: model.fuse_unk: expected true or false, found 1");
  EXPECT_EQ(with("/model/extra", 1), "t: model.extra: expected no such key, found 1");
  EXPECT_EQ(with("/model/vocab", 1), "t: model.vocab: expected an object, found 1");
  EXPECT_EQ(with("/model/vocab", Json::array()), "t: model.vocab: expected an object, found []");
  EXPECT_EQ(with("/model/vocab/b", "1"),
            "t: model.vocab.b: expected an id from 0 to 4194303, found \"1\"");
  EXPECT_THAT(with("/model/vocab/b", -1), HasSubstr("found -1"));
  EXPECT_THAT(with("/model/vocab/b", 1.0), HasSubstr("found 1.0"));
  EXPECT_THAT(with("/model/vocab/b", 1LL << 40), HasSubstr("found 1099511627776"));
  EXPECT_EQ(with("/model/vocab/b", 3),
            "t: model.vocab.b: expected ids from 0 to 2, each once, found 3");
  EXPECT_THAT(with("/model/vocab/b", 0), HasSubstr("expected ids from 0 to 2, each once, found 0"));
  EXPECT_EQ(with("/model/vocab/b", {{"c", 1}}),
            "t: model.vocab.b: expected a value, found an object");
  EXPECT_THAT(with("/model/vocab", Json::object()), HasSubstr("vocabulary"));
  EXPECT_THAT(with("/model/vocab", {{std::string(1025, 'a'), 0}}),
              HasSubstr("expected a token of at most 1024 bytes, found 1025"));
  EXPECT_EQ(with("/model/merges", {"a c"}),
            "t: model.merges[0]: expected tokens of the vocabulary, found \"c\"");
  EXPECT_EQ(with("/model/merges", {"a b", "b a"}),
            "t: model.merges[1]: expected tokens of the vocabulary, found \"ba\"");
  EXPECT_EQ(with("/model/merges", {"ab"}),
            "t: model.merges[0]: expected two tokens with a space between, found \"ab\"");
  EXPECT_THAT(with("/model/merges", {"a b "}), HasSubstr("two tokens with a space between"));
  EXPECT_EQ(with("/model/merges", Json::array({{"a", "b"}})), "no error");
  EXPECT_EQ(with("/model/merges", {"#version: 0.2", "a b"}), "no error");
  for (const Json& bad : {Json{"a"}, Json{"a", 1}, Json{"a", "b", "c"}, Json(3), Json({{"a", 1}})})
    EXPECT_THAT(with("/model/merges", Json::array({bad})),
                HasSubstr("t: model.merges[0]: expected a pair of tokens"));
  EXPECT_EQ(with("/model/merges", "a b"), "t: model.merges: expected a list, found \"a b\"");
  EXPECT_THAT(without("/model", "vocab"), HasSubstr("model.vocab: expected this key"));
  EXPECT_THAT(without("/model", "merges"), HasSubstr("model.merges: expected this key"));
  EXPECT_EQ(without("/model", "type"), "no error");  // older files
}

TEST(TokenizerJson, NamesFileAndKeyOfTheOtherParts) {
  EXPECT_EQ(with("/version", "2.0"), "t: version: expected \"1.0\", found \"2.0\"");
  EXPECT_EQ(with("/something", 1), "t: something: expected no such key, found 1");
  EXPECT_EQ(with("/truncation", {{"max_length", 5}}), "no error");
  EXPECT_EQ(with("/normalizer", {{"type", "NFKC"}}),
            "t: normalizer.type: expected \"NFC\", found \"NFKC\"");
  EXPECT_EQ(with("/normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}}),
            "no error");
  EXPECT_EQ(with("/normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}}}}),
            "t: normalizer.normalizers[0].type: expected \"NFC\", found \"Lowercase\"");
  EXPECT_THAT(with("/normalizer", "NFC"), HasSubstr("normalizer: expected a JSON object"));
  EXPECT_EQ(with("/decoder/type", "Metaspace"),
            "t: decoder.type: expected \"ByteLevel\", found \"Metaspace\" (only byte-level "
            "tokenizers are supported)");
  EXPECT_THAT(without("", "decoder"), StartsWith("t: decoder: expected \"ByteLevel\", found none"));
  EXPECT_THAT(without("", "model"), StartsWith("t: model: expected this key"));
  EXPECT_THAT(without("", "pre_tokenizer"), StartsWith("t: pre_tokenizer: expected one that"));
  EXPECT_EQ(with("/pre_tokenizer/type", "Metaspace"),
            "t: pre_tokenizer.type: expected \"ByteLevel\", or a \"Sequence\" that ends with it, "
            "found \"Metaspace\" (only byte-level tokenizers are supported)");
  EXPECT_EQ(with("/pre_tokenizer/more", 1), "t: pre_tokenizer.more: expected no such key, found 1");
  EXPECT_THAT(without("/pre_tokenizer", "add_prefix_space"),
              StartsWith("t: pre_tokenizer.add_prefix_space: expected this key"));
  const Json level = small()["pre_tokenizer"];
  const auto sequence = [&](const Json& steps) {
    return with("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", steps}});
  };
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "a"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  EXPECT_EQ(sequence({split, level}), "no error");
  EXPECT_EQ(sequence({level, split}),
            "t: pre_tokenizer.pretokenizers[0].type: expected one ByteLevel, at the end, found "
            "\"ByteLevel\"");
  EXPECT_THAT(sequence(Json::array({split})),
              HasSubstr("one ByteLevel, at the end, found \"Split\""));
  EXPECT_THAT(sequence(Json::array()), HasSubstr("expected 1 to 16 of them, found 0"));
  EXPECT_THAT(sequence({{{"type", "Punctuation"}}, level}),
              HasSubstr("pretokenizers[0].type: expected \"ByteLevel\", \"Digits\" or \"Split\""));
  const auto split_with = [&](const std::string& key, const Json& value) {
    Json changed = split;
    changed[key] = value;
    return sequence({changed, level});
  };
  EXPECT_THAT(split_with("behavior", "MergedWithNext"),
              HasSubstr("behavior: expected \"Isolated\" or \"Removed\""));
  EXPECT_EQ(split_with("pattern", {{"Regex", "a|\\w"}}),
            "t: pre_tokenizer.pretokenizers[0].pattern: pattern: expected what Tessera knows of "
            "regular expressions, found \"\\w\" at byte 3 of \"a|\\\\w\"");
  EXPECT_EQ(split_with("pattern", {{"String", "\\w.[]()é"}}), "no error");
  EXPECT_THAT(split_with("pattern", "a"), HasSubstr("pattern: expected a JSON object"));
}

TEST(TokenizerJson, NamesFileAndKeyOfAddedTokens) {
  EXPECT_THAT(with("/added_tokens", 1), HasSubstr("added_tokens: expected a list"));
  EXPECT_EQ(with("/added_tokens/0/id", 4),
            "t: added_tokens[0].id: expected 3, the id of \"<|end|>\", found 4");
  EXPECT_EQ(with("/added_tokens/0", added("ab", 3)),
            "t: added_tokens[0].id: expected 2, the id of \"ab\", found 3");
  EXPECT_EQ(with("/added_tokens/0", added("ab", 2)), "no error");
  EXPECT_EQ(with("/added_tokens/0/content", ""),
            "t: added_tokens[0].content: expected 1 to 256 bytes, found 0");
  EXPECT_THAT(with("/added_tokens/0/content", std::string(257, 'x')), HasSubstr("found 257"));
  EXPECT_EQ(with("/added_tokens/-", added("<|end|>", 3)),
            "t: added_tokens[1].content: expected each added token once, found \"<|end|>\"");
  EXPECT_THAT(with("/added_tokens/0/special", "yes"), HasSubstr("added_tokens[0].special"));
  EXPECT_THAT(with("/added_tokens/0/other", 1), HasSubstr("added_tokens[0].other: expected no"));
  EXPECT_THAT(without("/added_tokens/0", "lstrip"), HasSubstr("added_tokens[0].lstrip: expected"));
  EXPECT_THAT(with("/added_tokens/0", 7), HasSubstr("added_tokens[0]: expected a JSON object"));
  Json nfc = small();
  nfc["normalizer"] = {{"type", "NFC"}};
  nfc["added_tokens"][0]["content"] = "e\u0301";
  EXPECT_EQ(open(nfc), "no error");
  nfc["added_tokens"][0]["normalized"] = true;
  EXPECT_THAT(open(nfc), HasSubstr("added_tokens[0].content: expected normalization form C"));
}

TEST(TokenizerJson, OneTokenMayStandBeforeAText) {
  const auto processor = [](const Json& single, const Json& ids = {3}) {
    return Json{{"type", "TemplateProcessing"},
                {"single", single},
                {"pair", Json::array()},
                {"special_tokens",
                 {{"<|end|>", {{"id", "<|end|>"}, {"ids", ids}, {"tokens", {"<|end|>"}}}}}}};
  };
  const Json bos = {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const auto error = [&](const Json& value) { return with("/post_processor", value); };
  EXPECT_EQ(error(processor({bos, text})), "no error");
  EXPECT_EQ(error(processor(Json::array({text}))), "no error");
  for (const Json& single :
       {Json{text, bos}, Json{bos, text, bos}, Json::array({bos}), Json{text, text}, Json::array()})
    EXPECT_THAT(error(processor(single)),
                StartsWith("t: post_processor.single: expected the text, with at most one"));
  for (const Json& ids : {Json{4}, Json{-1}, Json{0.5}})
    EXPECT_THAT(error(processor({bos, text}, ids)),
                StartsWith("t: post_processor.special_tokens.<|end|>.ids: expected an id"));
  EXPECT_THAT(error(processor({bos, text}, {0, 1})), HasSubstr("ids: expected 1 numbers"));
  EXPECT_THAT(error({{"type", "RobertaProcessing"}}),
              HasSubstr("post_processor.type: expected \"TemplateProcessing\" or \"ByteLevel\""));
  const auto sequence = [&](const Json& processors) {
    return error({{"type", "Sequence"}, {"processors", processors}});
  };
  const Json level = small()["decoder"];
  EXPECT_EQ(sequence({level, processor({bos, text})}), "no error");
  EXPECT_THAT(sequence({processor({bos, text}), processor({bos, text})}),
              HasSubstr("expected one token before a text, found two"));
}

TEST(TokenizerJson, TheConfigurationNamesBosAndEos) {
  Json json = small();
  EXPECT_EQ(open(json, {.eos = "<|end|>"}), "no error");
  EXPECT_EQ(open(json, {.eos = "</s>"}),
            "c: eos_token: expected a token of the vocabulary, found \"</s>\" (tokenizer.json of "
            "another model?)");
  EXPECT_THAT(open(json, {.bos = "<s>"}), HasSubstr("c: bos_token: expected a token"));
  EXPECT_THAT(open(json, {.add_bos = true}), HasSubstr("c: add_bos_token: expected false"));
  const auto make = [&](const TokenNames& names) {
    return make_bpe_tokenizer(parse_tokenizer_json(json.dump(), "t"), names);
  };
  EXPECT_TRUE(make({.bos = "ab", .add_bos = true})->add_bos());
  EXPECT_EQ(make({.bos = "ab", .add_bos = true})->bos_id(), 2);
  EXPECT_FALSE(make({.bos = "ab"})->add_bos());
}

TEST(TokenizerJson, WhatIsNoTokenizerIsSaidSo) {
  const auto error = [](const std::string& text) {
    return error_of([&] { parse_tokenizer_json(text, "t"); });
  };
  EXPECT_THAT(error(""), HasSubstr("t: not valid JSON"));
  EXPECT_THAT(error("<html>"), HasSubstr("t: not valid JSON"));
  EXPECT_THAT(error("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("[]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(error("{}"), HasSubstr("model: expected this key"));
  EXPECT_THAT(error(R"({"model": {"vocab": {"a": 0, "a": 1}}})"),
              HasSubstr("model.vocab.a: expected each token once"));
  EXPECT_THAT(error(std::string("{}\0", 3)), HasSubstr("a NUL"));
  const TempFolder folder;
  folder.write("vocab.json", "{}");
  EXPECT_THAT(error_of([&] { Tokenizer::open(folder.path()); }), HasSubstr("found vocab.json"));
}

TEST(TokenizerJson, DamagedFilesEndInAnErrorOrATokenizerThatWorks) {
  const std::string whole = read_file(kData + "/bpe/llama3/tokenizer.json", 1 << 20);
  std::mt19937 rng(13);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = whole;
    for (int flips = 1 + round % 3; flips > 0; --flips)
      damaged[rng() % damaged.size()] = static_cast<char>(rng() % 96 + 32);
    if (round % 7 == 0) damaged.resize(rng() % damaged.size());
    try {
      const auto tokenizer = make_bpe_tokenizer(parse_tokenizer_json(damaged, "t"), {});
      for (const auto specials : {Tokenizer::Specials::kParse, Tokenizer::Specials::kAsText}) {
        const auto ids = tokenizer->encode("a <|eot_id|> 红 \xff b's 123 ", specials);
        EXPECT_TRUE(is_valid_utf8(tokenizer->decode(ids)));
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_LT(refused, 300);
}

}  // namespace
}  // namespace tessera
