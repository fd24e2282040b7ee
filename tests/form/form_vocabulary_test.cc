#include "form/form_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/form/form_tools.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FormVocabulary, ItsTreeSpellsEveryToken) {
  for (const Vocabulary& vocabulary :
       {toy_vocabulary(), vocabulary_of(TESSERA_TEXT_DATA_DIR "/bpe/gpt2")}) {
    std::map<std::string, std::vector<uint32_t>> spelt, expected;
    std::string text;
    for (uint32_t node = 0; node < vocabulary->nodes().size(); ++node) {
      text.resize(vocabulary->nodes()[node].depth - 1U);
      text += static_cast<char>(vocabulary->nodes()[node].byte);
      for (const uint32_t token : vocabulary->tokens_at(node)) spelt[text].push_back(token);
      ASSERT_GT(vocabulary->nodes()[node].subtree_end, node);
    }
    for (size_t token = 0; token < vocabulary->size(); ++token) {
      const auto bytes = vocabulary->bytes_of(static_cast<int32_t>(token));
      if (!bytes.empty())
        expected[std::string(bytes.begin(), bytes.end())].push_back(static_cast<uint32_t>(token));
    }
    EXPECT_EQ(spelt, expected);
  }
}

TEST(FormVocabulary, EndTokensHaveNoBytes) {
  const std::vector<std::string> tokens = {"a", "b", "", "ab"};
  const std::vector<int32_t> ends = {1, 2, 2, 7, -1};
  const FormVocabulary vocabulary(tokens, ends);
  EXPECT_THAT(vocabulary.end_tokens(), ElementsAre(1, 2));
  EXPECT_TRUE(vocabulary.bytes_of(1).empty());
  EXPECT_TRUE(vocabulary.bytes_of(9).empty());
  EXPECT_EQ(vocabulary.single_bytes().count(), 1U);
}

TEST(FormVocabulary, SaysWhichTokenIsTooLong) {
  const std::vector<std::string> tokens = {"a", std::string(70'000, 'x')};
  EXPECT_THAT(error_of([&] { FormVocabulary(tokens, {}); }), HasSubstr("token 1"));
}

}  // namespace
}  // namespace tessera
