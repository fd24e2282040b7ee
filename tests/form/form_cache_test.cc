#include "form/form_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/json.h"
#include "tests/form/form_tools.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using Kind = AnswerForm::Kind;

TEST(FormCache, SharesWhatOneFormNeeds) {
  FormCache cache(toy_vocabulary(), 2);
  const AnswerForm json = {.kind = Kind::kJson}, regex = {.kind = Kind::kRegex, .definition = "a+"};
  const auto* masks = &cache.matcher(json).masks();
  EXPECT_EQ(&cache.matcher(json).masks(), masks);
  EXPECT_NE(&cache.matcher(regex).masks(), masks);
  EXPECT_EQ(&cache.matcher(json).masks(), masks);
  cache.matcher({.kind = Kind::kRegex, .definition = "b+"});  // in place of a+, used before json
  EXPECT_EQ(&cache.matcher(json).masks(), masks);
  EXPECT_THAT(error_of([&] { cache.matcher({.kind = Kind::kRegex, .definition = "("}); }),
              HasSubstr("regex at byte 1"));
}

TEST(FormCache, ManyThreadsUseOneForm) {
  FormCache cache(toy_vocabulary());
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&cache, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 8; ++i) {
        const std::string text = random_answer(cache.matcher({.kind = Kind::kJson}), random, 25);
        EXPECT_TRUE(Json::accept(text)) << text;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tessera
