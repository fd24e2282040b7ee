#include "text/answer_trim.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tessera {
namespace {

TEST(AnswerTrim, StripsUnicodeWhiteSpace) {
  EXPECT_EQ(strip(" \n\u3000A cat.\u00a0\u0085\x1f "), "A cat.");
  EXPECT_EQ(strip("a b"), "a b");
  EXPECT_EQ(strip(" \u2003 "), "");
  EXPECT_EQ(strip("\u200b"), "\u200b");  // zero width space is none
}

TEST(AnswerTrim, StreamsWhatTheWholeStripsTo) {
  const std::vector<std::string> characters = {" ", "\n", "\u3000", "\u00a0",
                                               "a", "é",  "红",     "\u2028"};
  std::mt19937 rng(3);
  for (int round = 0; round < 5000; ++round) {
    StripFilter filter;
    std::string whole, streamed;
    for (size_t pushes = rng() % 8; pushes > 0; --pushes) {
      std::string part;
      for (size_t n = rng() % 5; n > 0; --n) part += characters[rng() % characters.size()];
      whole += part;
      streamed += filter.push(part);
      ASSERT_EQ(streamed, strip(whole)) << whole;  // at every moment, not at the end alone
    }
  }
}

}  // namespace
}  // namespace tessera
