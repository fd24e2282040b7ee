// Ctrl-C and readers that leave, at every moment of a run.

#include <gmock/gmock.h>

#include "tests/cli/programs.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;

// Generous: the machine may be busy with other tests. What would hang, hangs for minutes.
constexpr double kPromptlyS = 20;

Args slow_run(const Args& more = {}) {
  return tessera_args(with({"run", "--model-path", kTiny, "--devices", kSlowDevices, "--question",
                            kLongQuestion, "--image-file", kPicture, "--temperature", "0"},
                           more));
}

void expect_interrupted(Program& program) {
  const double sent = now_s();
  program.interrupt();
  const ProgramResult result = program.finish();
  // Before main the system ends the program, which a shell shows as 130 as well.
  if (result.signal != SIGINT) {
    EXPECT_EQ(result.status, 130) << result.err;
  }
  EXPECT_LT(now_s() - sent, kPromptlyS);
  EXPECT_THAT(result.err, Not(HasSubstr("error")));
}

// Fast enough for the prompt, long enough an answer that it is cut in its middle.
Args long_answer(const Args& more = {}) {
  return tessera_args(
      with({"run", "--model-path", kTiny, "--devices", "2xcpu@40MiB{threads=1;speed=0.3}",
            "--question", "Hello.", "--temperature", "2", "--seed", "1", "--max-new-tokens", "600"},
           more));
}

TEST(Interrupt, AtAnyMomentOfTheStart) {
  const NothingCalibrated slow_start;
  for (const int delay_ms : {0, 1, 3, 10, 30, 100, 200}) {
    Program program(long_answer());
    ::usleep(static_cast<useconds_t>(1000 * delay_ms));
    expect_interrupted(program);
  }
}

TEST(Interrupt, DuringThePrompt) {
  Program program(slow_run());
  ASSERT_TRUE(program.wait_for_error("loaded "));  // pictures and prompt take minutes
  ::usleep(200'000);
  expect_interrupted(program);
}

TEST(Interrupt, DuringTheAnswer) {
  Program program(long_answer());
  ASSERT_TRUE(program.wait_for_any_output());
  program.interrupt();
  const ProgramResult result = program.finish();
  EXPECT_EQ(result.status, 130) << result.err;
  EXPECT_THAT(result.out, testing::EndsWith("\n"));
}

TEST(Interrupt, TwiceEndsAtOnce) {
  Program program(slow_run());
  ASSERT_TRUE(program.wait_for_error("loaded "));
  program.interrupt();
  program.interrupt();
  const ProgramResult result = program.finish(kPromptlyS);
  EXPECT_EQ(result.status, 130);
}

TEST(ClosedStdout, EndsTheAnswerQuietly) {
  Program program(long_answer({"--quiet"}));
  ASSERT_TRUE(program.wait_for_any_output());
  program.close_output();
  const double closed = now_s();
  const ProgramResult result = program.finish();
  EXPECT_LT(now_s() - closed, kPromptlyS);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.err, "");
}

TEST(ClosedStdout, OfOtherCommandsToo) {
  for (const Args& args :
       {Args{"--help"}, Args{"plan", "--model-path", kTiny, "--devices", "3x24GiB"},
        Args{"tokenize", "--model-path", kTiny, "Hello."}}) {
    Program program(tessera_args(args), Program::Stdout::kPipeWithoutReader);
    const ProgramResult result = program.finish();
    EXPECT_EQ(result.signal, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_EQ(result.status, 1);
  }
}

}  // namespace
}  // namespace tessera
