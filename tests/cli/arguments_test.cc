#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

const std::vector<OptionName> kKnown = {{"model-path"}, {"top-p"},      {"max-new-tokens"},
                                        {"question"},   {"image-file"}, {"json", false}};

Strings normalise(const Strings& args) {
  return normalise_arguments(args, kKnown);
}

TEST(Arguments, UnderscoresInNamesAreDashes) {
  EXPECT_THAT(normalise({"--model_path", "my_dir", "--top_p=0.5"}),
              ElementsAre("--model-path", "my_dir", "--top-p", "0.5"));
  EXPECT_THAT(normalise({"--max-new_tokens", "5", "--json"}),
              ElementsAre("--max-new-tokens", "5", "--json"));
}

TEST(Arguments, ValuesStayAsTheyAre) {
  EXPECT_THAT(normalise({"--question", "a_b=c --x_y"}), ElementsAre("--question", "a_b=c --x_y"));
  EXPECT_THAT(normalise({"--question=--json"}), ElementsAre("--question", "--json"));
  EXPECT_THAT(normalise({"--question=a=b"}), ElementsAre("--question", "a=b"));
  EXPECT_THAT(normalise({"--question="}), ElementsAre("--question", ""));
  EXPECT_THAT(normalise({"--question", ""}), ElementsAre("--question", ""));
  EXPECT_THAT(normalise({"--question", "--what_is this?"}),
              ElementsAre("--question", "--what_is this?"));
  EXPECT_THAT(normalise({"some_text", "-", "-x"}), ElementsAre("some_text", "-", "-x"));
  EXPECT_THAT(normalise({"--json", "--", "--model_path"}),
              ElementsAre("--json", "--", "--model_path"));
}

TEST(Arguments, WhatIsWrongIsNamed) {
  EXPECT_EQ(error_of([] {
              normalise({"--modelpath", "x"});
            }),
            "--modelpath: no such option (did you mean --model-path?)");
  EXPECT_EQ(error_of([] { normalise({"--model_pth=x"}); }),
            "--model_pth: no such option (did you mean --model-path?)");
  EXPECT_EQ(error_of([] { normalise({"--quxabcdef"}); }), "--quxabcdef: no such option");
  EXPECT_EQ(error_of([] {
              normalise({"--json", "--question"});
            }),
            "--question: expected a value, found the end of the command line");
  EXPECT_EQ(error_of([] {
              normalise({"--question", "--json"});
            }),
            "--question: expected a value, found the option --json (--question=--json if that is "
            "the value)");
  EXPECT_EQ(error_of([] { normalise({"--json=yes"}); }),
            "--json: takes no value: found --json=yes");
  EXPECT_THROW(normalise({"--json=yes"}), UsageError);
}

TEST(NearestName, FindsSlipsAndAbbreviations) {
  const Strings names = {"run", "chat", "plan", "devices", "tokenize", "image-file"};
  EXPECT_EQ(nearest_name("rnu", names), "run");
  EXPECT_EQ(nearest_name("plna", names), "plan");
  EXPECT_EQ(nearest_name("PLAN", names), "plan");
  EXPECT_EQ(nearest_name("device", names), "devices");
  EXPECT_EQ(nearest_name("tokenise", names), "tokenize");
  EXPECT_EQ(nearest_name("image", names), "image-file");
  EXPECT_EQ(nearest_name("serve", names), std::nullopt);
  EXPECT_EQ(nearest_name("", names), std::nullopt);
}

}  // namespace
}  // namespace tessera
