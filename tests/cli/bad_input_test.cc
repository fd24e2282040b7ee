// What the user may get wrong: one line that names it, the right exit status, nothing on stdout.

#include <gmock/gmock.h>

#include "tests/cli/programs.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// A short `run` that would succeed; later options override earlier ones.
Args run_with(const Args& more) {
  return with({"run", "--model-path", kTiny, "--devices", kThreeDevices, "--question", "Hello.",
               "--max-new-tokens", "2"},
              more);
}

std::string failure(const Args& more, int status) {
  return failure_of(run_with(more), status);
}

TEST(BadInput, TheRunItselfIsSound) {
  EXPECT_EQ(run_tessera(run_with({})).status, 0);
}

TEST(BadInput, ModelFolder) {
  TempFolder folder;
  EXPECT_THAT(failure({"--model-path", folder.path("none")}, 1),
              AllOf(HasSubstr("none"), HasSubstr("nothing there")));
  EXPECT_THAT(failure({"--model-path", folder.path()}, 1), HasSubstr("config.json"));
  EXPECT_THAT(failure({"--model-path", kPicture}, 1), HasSubstr("a file"));
  EXPECT_THAT(failure({"--model-path", ""}, 2), HasSubstr("--model-path"));
}

TEST(BadInput, Pictures) {
  TempFolder folder;
  EXPECT_THAT(failure({"--image-file", folder.path("none.png")}, 1), HasSubstr("none.png"));
  EXPECT_THAT(failure({"--image-file", folder.path()}, 1), HasSubstr("a directory"));
  EXPECT_THAT(failure({"--image-file", folder.write("text.png", "not a picture")}, 1),
              HasSubstr("text.png"));
  EXPECT_THAT(failure({"--image-file", folder.write("empty.png", "")}, 1), HasSubstr("empty.png"));
  const std::string half = read_file(kPicture, 1 << 20).substr(0, 2000);
  EXPECT_THAT(failure({"--image-file", folder.write("half.png", half)}, 1), HasSubstr("half.png"));
  EXPECT_THAT(failure_of({"run", "--model-path", kGolden + "/llama_tiny", "--question", "Q",
                          "--devices", kThreeDevices, "--image-file", kPicture},
                         2),
              HasSubstr("takes no pictures"));
}

TEST(BadInput, Question) {
  EXPECT_THAT(failure({"--question", ""}, 2), HasSubstr("empty question"));
  EXPECT_THAT(failure_of({"run", "--model-path", kTiny}, 2), HasSubstr("--question"));
  std::string longer_than_the_context;
  for (int i = 0; i < 2000; ++i) longer_than_the_context += "red circle ";
  EXPECT_THAT(failure({"--question", longer_than_the_context}, 1),
              AllOf(StartsWith("prompt"), HasSubstr("at most")));
  EXPECT_THAT(failure({"--context", "100"}, 1),
              AllOf(StartsWith("prompt"), HasSubstr("at most 99 tokens")));
  EXPECT_THAT(failure({"--context", "2000"}, 2), HasSubstr("1024"));
}

TEST(BadInput, Devices) {
  for (const char* spec :
       {"", ",", "cpu,", "0xcpu", "-1xcpu", "cpu@", "cpu@lots", "cpu@1G", "cpu{", "cpu{speed}",
        "cpu{speed=}", "cpu{speed=fast}", "cpu{colour=red}", "gpu", "cpu:x", "99999xcpu"})
    EXPECT_THAT(failure({"--devices", spec}, 2), HasSubstr("device")) << spec;
  EXPECT_THAT(failure({"--devices", "cuda:7"}, 1), HasSubstr("cuda:7"));
  EXPECT_THAT(failure({"--devices", "3x24GiB"}, 2), HasSubstr("24GiB"));  // for plan alone
}

TEST(BadInput, ABudgetTooSmallSaysByHowMuch) {
  EXPECT_THAT(failure({"--devices", "2xcpu@300KiB{threads=1}"}, 1),
              AllOf(HasSubstr("does not fit"), MatchesRegex(".*[0-9.]+ [KMG]iB.*")));
}

TEST(BadInput, HostMemoryTooSmall) {
  EXPECT_THAT(failure({"--host-memory", "4KiB"}, 1), HasSubstr("host memory"));
  EXPECT_THAT(failure({"--host-memory", "1000TiB"}, 1), HasSubstr("host memory"));
}

TEST(BadInput, OptionsAndCommands) {
  EXPECT_THAT(failure({"--tempereature", "1"}, 2), HasSubstr("did you mean --temperature?"));
  EXPECT_THAT(failure({"--temperature", "hot"}, 2), HasSubstr("a number"));
  EXPECT_THAT(failure({"--conv-mode", "no_such"}, 2), HasSubstr("mm_default"));
  EXPECT_THAT(failure({"--num_beams", "2", "--temperature", "0.5"}, 2),
              HasSubstr("--temperature 0"));
  EXPECT_THAT(failure({"--plan", "/no/such/plan.json"}, 1), HasSubstr("plan.json"));
  EXPECT_EQ(run_tessera({}).status, 2);
  EXPECT_THAT(run_tessera({"rum"}).err, HasSubstr("did you mean run?"));
  EXPECT_EQ(run_tessera({"rum"}).status, 2);
}

// A shell as the parent redirects stdout to something that cannot be written.
ProgramResult with_stdout(const std::string& redirection, const Args& args) {
  return run_program(
      with({"/bin/sh", "-c", "exec \"$0\" \"$@\" " + redirection}, tessera_args(args)));
}

TEST(BadInput, StdoutThatCannotBeWritten) {
  const Args version = {"--version"};
  const ProgramResult full = with_stdout(">/dev/full", run_with({"--quiet"}));
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, AllOf(StartsWith("tessera: error: stdout: "), HasSubstr("No space left")));
  const ProgramResult closed = with_stdout(">&-", run_with({"--quiet"}));
  EXPECT_EQ(closed.status, 1);
  EXPECT_THAT(closed.err, StartsWith("tessera: error: stdout: "));
  EXPECT_EQ(with_stdout(">/dev/full", version).status, 1);
  EXPECT_EQ(with_stdout("2>&-", run_with({})).status, 0);  // without stderr it still answers
}

}  // namespace
}  // namespace tessera
