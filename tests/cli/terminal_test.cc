// `tessera chat` as it is on a terminal: prompt, line editing, history, Ctrl-C.

#include <gmock/gmock.h>

#include "tests/cli/programs.h"
#include "tests/cli/terminal_program.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::HasSubstr;

constexpr const char* kCtrlC = "\x03";
constexpr const char* kCtrlD = "\x04";
constexpr const char* kLeft = "\x1b[D";
constexpr const char* kUp = "\x1b[A";

Args chat(const std::string& devices, const Args& more = {}) {
  return tessera_args(with({"chat", "--model-path", kTiny, "--devices", devices, "--precision",
                            "f32", "--temperature", "0"},
                           more));
}

Args quick() {
  return chat(kThreeDevices, {"--max-new-tokens", "4"});
}

TEST(Terminal, ShowsProgressAndAsks) {
  TerminalProgram program(quick());
  ASSERT_TRUE(program.wait_for("loaded ")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type("Hello.\r");
  ASSERT_TRUE(program.wait_for("answer: 4 tokens")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type(kCtrlD);
  EXPECT_EQ(program.finish(), 0);
}

TEST(Terminal, LinesAreEditedAndRemembered) {
  TerminalProgram program(quick());
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type(std::string("/hlp") + kLeft + kLeft + "e\r");  // one key late: "/help"
  ASSERT_TRUE(program.wait_for("/reset")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type(std::string(kUp) + "\r");
  ASSERT_TRUE(program.wait_for("/reset")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type(
      "/图像\x7f\x7f"
      "quit\r");  // two characters of three bytes each are rubbed out
  EXPECT_EQ(program.finish(), 0) << program.screen();
}

TEST(Terminal, ErrorsDoNotEndIt) {
  TerminalProgram program(quick());
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type("/image /no/such.png\r");
  ASSERT_TRUE(program.wait_for("tessera: error: /no/such.png")) << program.screen();
  program.type("/nonsense\r");
  ASSERT_TRUE(program.wait_for("/help lists them")) << program.screen();
  program.type("/image " + kPicture + "\r");
  ASSERT_TRUE(program.wait_for("The next question is about")) << program.screen();
  program.type("What is shown?\r");
  ASSERT_TRUE(program.wait_for("answer: 4 tokens")) << program.screen();
  program.type("/quit\r");
  EXPECT_EQ(program.finish(), 0);
}

// What chat says of a turn's length: the picture's rows among them or not.
int64_t prompt_tokens_of(TerminalProgram& program) {
  EXPECT_TRUE(program.wait_for("prompt: ")) << program.screen();
  EXPECT_TRUE(program.wait_for(" tokens")) << program.screen();
  const std::string& screen = program.screen();
  return std::stoll(screen.substr(screen.rfind("prompt: ") + 8));
}

TEST(Terminal, PicturesOfATurnThatFailedAreTheNextOnes) {
  TerminalProgram program(quick());
  const TempFolder folder;
  const std::string damaged = folder.write("damaged.png", "not a picture");
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type("/image " + kPicture + "\r/image " + damaged + "\r");
  ASSERT_TRUE(program.wait_for("damaged.png.")) << program.screen();
  program.type("What is shown?\r");  // the second cannot be read, which the first has not earned
  ASSERT_TRUE(program.wait_for("tessera: error: " + damaged)) << program.screen();
  ASSERT_TRUE(program.wait_for("The next question is about " + kPicture + ".")) << program.screen();
  std::string longer_than_the_context;
  for (int i = 0; i < 300; ++i) longer_than_the_context += "7 7 7 7 7 ";
  program.type(longer_than_the_context + "\r");
  ASSERT_TRUE(program.wait_for("tessera: error: prompt")) << program.screen();
  ASSERT_TRUE(program.wait_for("The next question is about " + kPicture + ".")) << program.screen();
  program.type("What is shown?\r");
  const int64_t with_picture = prompt_tokens_of(program);
  program.type("/reset\rWhat is shown?\r");
  EXPECT_GE(with_picture, prompt_tokens_of(program) + 4);
  program.type("/quit\r");
  EXPECT_EQ(program.finish(), 0);
}

TEST(Terminal, APictureOutlivesAnAnswerThatWasStoppedAtOnce) {
  TerminalProgram program(chat(kSlowDevices));
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type("/image " + kPicture + "\r");
  const std::string said = "The next question is about " + kPicture + ".";
  ASSERT_TRUE(program.wait_for(said)) << program.screen();
  program.type(kLongQuestion + "\r");
  ::usleep(300'000);
  program.type(kCtrlC);
  ASSERT_TRUE(program.wait_for(said)) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type("/quit\r");
  EXPECT_EQ(program.finish(), 0);
}

TEST(Terminal, CtrlCStopsTheAnswerAndNotTheProgram) {
  TerminalProgram program(chat(kSlowDevices));
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type(kLongQuestion + "\r");
  ::usleep(300'000);
  program.type(kCtrlC);
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type("/help\r");
  ASSERT_TRUE(program.wait_for("/reset")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type(kLongQuestion + "\r");  // a stopped answer does not spoil the next
  ::usleep(300'000);
  program.type(kCtrlC);
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type("/quit\r");
  EXPECT_EQ(program.finish(), 0);
}

TEST(Terminal, CtrlCAtThePromptClearsTheLineAndTwiceLeaves) {
  TerminalProgram program(quick());
  ASSERT_TRUE(program.wait_for("> ")) << program.screen();
  program.type(std::string("/quit") + kCtrlC);  // thrown away
  ASSERT_TRUE(program.wait_for("^C")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type("/help\r");
  ASSERT_TRUE(program.wait_for("/reset")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type(kCtrlC);
  ASSERT_TRUE(program.wait_for("Ctrl-C again")) << program.screen();
  ASSERT_TRUE(program.wait_for("> "));
  program.type(kCtrlC);
  EXPECT_EQ(program.finish(), 130) << program.screen();
}

TEST(Terminal, CtrlCWhileLoadingEnds) {
  const NothingCalibrated slow_start;
  TerminalProgram program(chat(kThreeDevices));
  ::usleep(150'000);  // long enough to start, too short to have measured the devices
  program.type(kCtrlC);
  EXPECT_EQ(program.finish(), 130) << program.screen();
}

}  // namespace
}  // namespace tessera
