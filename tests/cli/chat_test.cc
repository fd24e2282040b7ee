// `tessera chat` with its turns on a pipe.

#include <gmock/gmock.h>

#include "tests/cli/programs.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Args chat(const Args& more = {}) {
  return with(with({"chat"}, exact("yi_vl_tiny")), with({"--max-new-tokens", "24"}, more));
}

std::vector<Json> answers_of(const ProgramResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<Json> answers;
  for (const std::string& line : lines_of(result.out))
    answers.push_back(parse_json(line, "stdout"));
  return answers;
}

void expect_turns(const std::vector<Json>& got, const Json& golden) {
  ASSERT_EQ(got.size(), golden["turns"].size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i]["token_ids"], golden["turns"][i]["token_ids"]) << "turn " << i;
    EXPECT_EQ(got[i]["prompt_ids"], golden["turns"][i]["prompt_ids"]) << "turn " << i;
    EXPECT_EQ(got[i]["text"], golden["turns"][i]["text"]) << "turn " << i;
  }
}

std::string questions_of(const Json& golden) {
  std::string lines;
  for (const Json& turn : golden["turns"]) lines += turn["question"].get<std::string>() + "\n";
  return lines;
}

TEST(Chat, SeveralTurnsAboutAPictureAreTheOracles) {
  const Json golden = golden_case("yi_vl_tiny", "three_turns");
  const ProgramResult got =
      run_tessera(chat({"--image-file", kPicture, "--json", "--quiet"}), questions_of(golden));
  EXPECT_EQ(got.err, "");
  expect_turns(answers_of(got), golden);
}

TEST(Chat, TextAloneAndALastLineWithoutItsEnd) {
  const Json golden = golden_case("yi_vl_tiny", "text_only_turns");
  std::string lines = "\n  \n" + questions_of(golden);
  lines.pop_back();
  expect_turns(answers_of(run_tessera(chat({"--json"}), lines)), golden);
}

TEST(Chat, CommandsBetweenTheTurns) {
  const Json golden = golden_case("yi_vl_tiny", "three_turns");
  const std::string first = golden["turns"][0]["question"].get<std::string>() + "\n";
  const ProgramResult got = run_tessera(
      chat({"--json"}), "Hello.\n/reset\n/image " + kPicture + "\n" + first + "/plan\n/help\n" +
                            "/reset\n/image '" + kPicture + "'\n" + first + "/quit\nnever asked\n");
  const std::vector<Json> answers = answers_of(got);
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[1]["token_ids"], golden["turns"][0]["token_ids"]);
  EXPECT_EQ(answers[2]["token_ids"], golden["turns"][0]["token_ids"]);
  EXPECT_THAT(got.err, AllOf(HasSubstr("cpu:0"), HasSubstr("/image F")));
}

TEST(Chat, AnswersOfLinesStandApart) {
  const Json golden = golden_case("yi_vl_tiny", "text_only_turns");
  const ProgramResult got = run_tessera(chat(), questions_of(golden));
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, golden["turns"][0]["text"].get<std::string>() + "\n\n" +
                         golden["turns"][1]["text"].get<std::string>() + "\n");
  EXPECT_THAT(got.err, Not(HasSubstr("> ")));  // no prompt where nobody types
}

TEST(Chat, WhatFailsEndsAPipe) {
  const ProgramResult picture =
      run_tessera(chat({"--json", "--quiet"}), "/image /no/such.png\nHello.\n");
  EXPECT_EQ(picture.status, 1);
  EXPECT_EQ(picture.out, "");
  EXPECT_THAT(picture.err, HasSubstr("tessera: error: /no/such.png"));
  const ProgramResult command = run_tessera(chat({"--json", "--quiet"}), "/nonsense\n");
  EXPECT_EQ(command.status, 2);
  EXPECT_THAT(command.err, HasSubstr("/help lists them"));
  EXPECT_EQ(run_tessera(chat(), std::string(3U << 20, 'x')).status, 1);  // a line without an end
}

TEST(Chat, InterruptEndsAPipe) {
  Program program(tessera_args({"chat", "--model-path", kTiny, "--devices", kSlowDevices}));
  program.write_input(kLongQuestion + "\n");
  ASSERT_TRUE(program.wait_for_error("loaded "));
  ::usleep(200'000);
  program.interrupt();
  EXPECT_EQ(program.finish().status, 130);
}

}  // namespace
}  // namespace tessera
