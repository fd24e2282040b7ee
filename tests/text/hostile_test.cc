// Damaged and foreign tokenizer files: always one Error, never a crash, nothing printed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/file.h"
#include "tests/support/error_of.h"
#include "tests/text/text_data.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/unicode.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Type = SentencePieceModel::Type;

const std::string kName = "tokenizer.model";

// A folder with the given files, removed with the object.
class Folder {
 public:
  explicit Folder(const std::string& model = read_file(kData + "/yi/tokenizer.model", 1 << 20)) {
    std::string pattern = testing::TempDir() + "tessera_text_XXXXXX";
    path = ::mkdtemp(pattern.data());
    put(kName, model);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void put(const std::string& name, const std::string& content) const {
    std::ofstream(path + "/" + name, std::ios::binary) << content;
  }
  std::string error() const {
    return error_of([&] { Tokenizer::open(path); });
  }

  std::string path;
};

std::string error_with_model(const std::string& model) {
  return Folder(model).error();
}

std::string error_with(const std::string& name, const std::string& content) {
  const Folder folder;
  folder.put(name, content);
  return folder.error();
}

TEST(HostileModel, WhatIsNoModelIsSaidSo) {
  for (const std::string& content :
       {std::string(), std::string("<!DOCTYPE html><html><body>404</body></html>"),
        std::string("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        std::string(5000, '\0'), std::string(5000, '\xff'), std::string("{\"a\": 1}"),
        std::string("PK\x03\x04")})
    EXPECT_THAT(error_with_model(content), AllOf(HasSubstr("/tokenizer.model: "),
                                                 HasSubstr("expected a SentencePiece model")));
}

TEST(HostileModel, AbsentOrADirectory) {
  const Folder folder;
  std::filesystem::remove(folder.path + "/" + kName);
  EXPECT_THAT(folder.error(), HasSubstr("tokenizer.model: cannot open: No such file"));
  folder.put("tokenizer.json", "{}");
  EXPECT_THAT(folder.error(), HasSubstr("tokenizer.json: model: expected this key"));
  std::filesystem::create_directory(folder.path + "/" + kName);
  std::filesystem::remove(folder.path + "/tokenizer.json");
  EXPECT_THAT(folder.error(), HasSubstr("expected a regular file, found a directory"));
}

TEST(HostileModel, TooLarge) {
  const Folder folder;
  std::filesystem::resize_file(folder.path + "/" + kName, (64 << 20) + 1);  // sparse
  EXPECT_THAT(folder.error(), HasSubstr("file size: expected at most 67108864 bytes"));
}

// Every length. Those where whole fields are left may still be a model; everything else is refused.
TEST(HostileModel, Truncated) {
  const std::string whole = read_file(kData + "/yi/tokenizer.model", 1 << 20);
  size_t refused = 0;
  for (size_t size = 0; size < whole.size(); ++size)
    refused +=
        error_of([&] { parse_sentencepiece_model(whole.substr(0, size), "m"); }) != "no error";
  EXPECT_GE(refused, whole.size() - 2);
}

TEST(HostileModel, FlippedBytesEndInAnErrorOrATokenizerThatWorks) {
  const std::string whole = read_file(kData + "/user_defined/tokenizer.model", 1 << 20);
  TokenizerConfig config;
  config.where = "c";
  config.add_bos = false;
  std::mt19937 rng(11);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    for (int flips = 1 + round % 3; flips > 0; --flips)
      damaged[rng() % damaged.size()] = static_cast<char>(rng());
    try {
      const auto tokenizer =
          make_sentencepiece_tokenizer(parse_sentencepiece_model(damaged, "m"), config);
      for (const auto specials : {Tokenizer::Specials::kParse, Tokenizer::Specials::kAsText}) {
        const auto ids = tokenizer->encode("a <|im_end|> 红 \xff\0 b", specials);
        EXPECT_TRUE(is_valid_utf8(tokenizer->decode(ids)));
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 200);
  EXPECT_LT(refused, 1900);
}

// A model written by hand; `change` breaks one thing.
template <typename Change>
std::string error_of_model(const Change& change) {
  SentencePieceModel model;
  model.pieces = {{"<unk>", 0, Type::kUnknown}, {"a", -1, Type::kNormal}, {"b", -2, Type::kNormal}};
  change(model);
  return error_of([&] { parse_sentencepiece_model(serialize_sentencepiece_model(model), "m"); });
}

TEST(HostileModel, EachRuleOfTheFormat) {
  using Model = SentencePieceModel;
  EXPECT_EQ(error_of_model([](Model&) {}), "no error");
  EXPECT_EQ(error_of_model([](Model& m) { m.pieces[1].text = ""; }),
            "m: piece 1: expected 1 to 1024 bytes, found 0 bytes");
  EXPECT_EQ(error_of_model([](Model& m) { m.pieces[1].text = "b"; }),
            "m: piece 2: expected each piece once, found \"b\"");
  EXPECT_THAT(error_of_model([](Model& m) { m.pieces[1].text = "\xff"; }),
              HasSubstr("piece 1: expected UTF-8 without NUL"));
  EXPECT_THAT(error_of_model([](Model& m) { m.pieces[1].text.push_back('\0'); }),
              HasSubstr("piece 1: expected UTF-8 without NUL"));
  EXPECT_THAT(error_of_model([](Model& m) { m.pieces[1].score = NAN; }),
              HasSubstr("piece 1: expected a finite score"));
  EXPECT_THAT(error_of_model([](Model& m) { m.pieces[0].type = Type::kNormal; }),
              HasSubstr("expected a piece for the unknown, found none"));
  EXPECT_THAT(error_of_model([](Model& m) { m.pieces[1].type = Type::kUnknown; }),
              HasSubstr("piece 1: expected one unknown piece, found a second"));
  EXPECT_THAT(error_of_model([](Model& m) {
                m.pieces[1] = {"<0x41>", 0, Type::kByte};
              }),
              HasSubstr("piece 1: expected no byte piece"));
  EXPECT_THAT(error_of_model([](Model& m) { m.byte_fallback = true; }),
              HasSubstr("expected 256 byte pieces, as byte_fallback is set, found 0"));
  EXPECT_THAT(error_of_model([](Model& m) { m.pieces[1].type = static_cast<Type>(7); }),
              HasSubstr("found a piece of type 7"));
  const auto nest = [](int depth) {
    return [depth](Model& m) {
      for (int i = 1; i <= depth; ++i)
        m.pieces.push_back({std::string(static_cast<size_t>(i), 'x'), 0, Type::kUserDefined});
    };
  };
  EXPECT_EQ(error_of_model(nest(64)), "no error");
  EXPECT_THAT(error_of_model(nest(65)), HasSubstr("expected at most 64 that begin each other"));
}

TEST(HostileModel, OtherKindsAreNamed) {
  const std::string model = read_file(kData + "/yi/tokenizer.model", 1 << 20);
  const auto with = [&](std::string_view field) {
    return error_of([&] { parse_sentencepiece_model(model + std::string(field), "m"); });
  };
  EXPECT_EQ(with({"\x12\x02\x18\x01", 4}), "m: trainer_spec.model_type: expected 2 (BPE), found 1");
  EXPECT_THAT(with({"\x12\x03\xc0\x01\x01", 5}), HasSubstr("treat_whitespace_as_suffix"));
  EXPECT_THAT(with({"\x1a\x03\x12\x01x", 5}), HasSubstr("precompiled_charsmap"));
  EXPECT_THAT(with({"\x2a\x03\x12\x01x", 5}), HasSubstr("precompiled_charsmap"));
  EXPECT_THAT(with({"\x1a\x02\x1d\x01", 4}), HasSubstr("a field of 4 bytes where 1 are left"));
  EXPECT_THAT(with({"\x0b", 1}), HasSubstr("wire type 3"));
  EXPECT_THAT(with({"\x00\x00", 2}), HasSubstr("field number 0"));
  EXPECT_THAT(with(std::string(11, '\xff')), HasSubstr("more than 64 bits"));
}

TEST(HostileConfig, NamesFileAndKey) {
  const std::string config = "tokenizer_config.json";
  EXPECT_THAT(error_with(config, "<html>"), HasSubstr("tokenizer_config.json: not valid JSON"));
  EXPECT_THAT(error_with(config, "[]"), HasSubstr("expected a JSON object, found []"));
  EXPECT_THAT(error_with(config, R"({"add_bos_token": "yes"})"), HasSubstr("add_bos_token"));
  EXPECT_THAT(error_with(config, R"({"legacy": 3})"), HasSubstr("legacy"));
  EXPECT_THAT(error_with(config, R"({"bos_token": 7})"), HasSubstr("bos_token"));
  EXPECT_THAT(error_with(config, R"({"bos_token": ""})"), HasSubstr("1 to 1024 bytes"));
  EXPECT_THAT(error_with(config, R"({"bos_token": {"contents": "a"}})"),
              HasSubstr("bos_token.content"));
  EXPECT_THAT(error_with(config, R"({"bos_token": "<s>"})"),
              HasSubstr("bos_token: expected a token of the vocabulary, found \"<s>\""));
  EXPECT_THAT(error_with(config, R"({"additional_special_tokens": [1]})"),
              HasSubstr("additional_special_tokens[0]"));
  EXPECT_THAT(error_with(config, R"({"additional_special_tokens": 1})"),
              HasSubstr("additional_special_tokens: expected a list"));
  const auto decoder = [&](const std::string& entries) {
    return error_with(config, R"({"added_tokens_decoder": )" + entries + "}");
  };
  EXPECT_EQ(decoder(R"({"7": {"content": "<|im_end|>", "special": true}})"), "no error");
  EXPECT_EQ(decoder(R"({"420": {"content": "<image>"}})"), "no error");
  EXPECT_THAT(decoder(R"({"421": {"content": "<image>"}})"),
              HasSubstr("added token \"<image>\": expected an id below 421, found 421"));
  EXPECT_THAT(decoder("[]"), HasSubstr("added_tokens_decoder"));
  EXPECT_THAT(decoder(R"({"x": {"content": "a"}})"), HasSubstr("a token id as key"));
  EXPECT_THAT(decoder(R"({"-1": {"content": "a"}})"), HasSubstr("a token id as key"));
  EXPECT_THAT(decoder(R"({"99999999999": {"content": "a"}})"), HasSubstr("a token id as key"));
  EXPECT_THAT(decoder(R"({"7": {}})"), HasSubstr("added_tokens_decoder.7.content"));
  EXPECT_THAT(decoder(R"({"7": {"content": "a"}, "8": {"content": "a"}})"),
              HasSubstr("each added token and each id once"));
  EXPECT_THAT(decoder(R"({"7": {"content": "a", "single_word": true}})"), HasSubstr("single_word"));
}

TEST(HostileConfig, AddedTokensAndTheMap) {
  const std::string added = "added_tokens.json";
  EXPECT_EQ(error_with(added, R"({"<|im_end|>": 7, "<image>": 420})"), "no error");
  EXPECT_THAT(error_with(added, R"({"<image>": 64002})"), HasSubstr("expected an id below 421"));
  // 264 is a byte, 419 a piece; another tokenizer.model had room for it there.
  EXPECT_THAT(error_with(added, R"({"<image>": 264})"),
              AllOf(HasSubstr("/tokenizer.model: piece 264: expected the added token \"<image>\""),
                    HasSubstr("found \"<0xFF>\" (tokenizer of another model?)")));
  EXPECT_THAT(error_with(added, R"({"<image>": 419})"), HasSubstr("tokenizer.model: piece 419"));
  EXPECT_EQ(error_with(added, R"({"<image>": 8})"), "no error");  // a control piece
  EXPECT_THAT(error_with(added, R"({"<image>": -1})"), HasSubstr("added_tokens.json: <image>"));
  EXPECT_THAT(error_with(added, R"({"<image>": "7"})"), HasSubstr("added_tokens.json: <image>"));
  EXPECT_THAT(error_with(added, R"({"<image>": 1e30})"), HasSubstr("added_tokens.json: <image>"));
  EXPECT_THAT(error_with(added, R"({"": 7})"), HasSubstr("1 to 1024 bytes"));
  EXPECT_THAT(error_with(added, R"({"a": 7, "b": 7})"), HasSubstr("each added token"));
  EXPECT_THAT(error_with(added, std::string(100000, '[')), HasSubstr("nesting"));
  EXPECT_THAT(error_with("special_tokens_map.json", R"({"eos_token": ["x"]})"),
              HasSubstr("special_tokens_map.json: eos_token"));
  EXPECT_THAT(error_with("special_tokens_map.json", R"({"eos_token": "nowhere"})"),
              HasSubstr("eos_token: expected a token of the vocabulary"));
  // A pad token that nothing gives an id to harms nobody.
  EXPECT_EQ(error_with("special_tokens_map.json", R"({"pad_token": "[PAD]"})"), "no error");
}

TEST(AddedTokens, AreFoundLongestFirstAndMayEatWhiteSpace) {
  const Folder folder;
  folder.put("tokenizer_config.json", R"({"add_bos_token": false, "added_tokens_decoder": {
    "420": {"content": "<x>"},
    "421": {"content": "<x><y>", "special": true},
    "422": {"content": "<z>", "lstrip": true, "rstrip": true}}})");
  const auto tokenizer = Tokenizer::open(folder.path);
  EXPECT_EQ(tokenizer->vocab_size(), 423);
  const auto encode = [&](const std::string& text) {
    return tokenizer->encode(text, Tokenizer::Specials::kParse);
  };
  EXPECT_THAT(encode("<x><x><y><x>"), testing::ElementsAre(420, 421, 420));
  EXPECT_THAT(encode(" \n<z>\u3000 "), testing::ElementsAre(422));
  const std::vector<int32_t> a = encode("a");
  ASSERT_EQ(a.size(), 1U);
  EXPECT_THAT(encode("a <z> a"), testing::ElementsAre(a[0], 422, a[0]));
  EXPECT_EQ(tokenizer->decode(encode("a<x>a<x><y>a")), "a<x>aa");  // special ones vanish
}

}  // namespace
}  // namespace tessera
