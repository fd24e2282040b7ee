// What the program shows to people: tables, progress, stderr, stdout.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "base/units.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(Table, AlignsNumbersRightAndTextLeft) {
  EXPECT_EQ(format_table({{"device", "bytes", "note"}, {"cpu:0", "5", "x"}, {"a", "10", ""}}),
            "device  bytes  note\n"
            "cpu:0       5  x\n"
            "a          10\n");
  EXPECT_EQ(format_table({{"n", "t"}, {"-", "1 s"}, {"100", "-"}}),
            "  n    t\n"
            "  -  1 s\n"
            "100    -\n");
  EXPECT_EQ(format_table({}), "");
}

TEST(Progress, ShowsShareBytesRateAndTimeLeft) {
  EXPECT_EQ(
      format_progress("loading", kGiB, 2 * kGiB, 1, 100),
      "loading [###############---------------]   50 %  1.00 GiB of 2.00 GiB  1.1 GB/s  1.0 s "
      "left");
  EXPECT_EQ(format_progress("loading", 0, 2 * kGiB, 0, 60),
            "loading [-------------------------]    0 %  0 B of 2.00 GiB");
  EXPECT_THAT(format_progress("loading", 2 * kGiB, 2 * kGiB, 2, 100), Not(HasSubstr("left")));
}

TEST(Progress, FitsTheTerminalAtAnyWidth) {
  for (int columns = 1; columns < 200; ++columns) {
    const std::string line = format_progress("loading", 123 * kMiB, 70 * kGiB, 0.3, columns);
    EXPECT_LT(line.size(), static_cast<size_t>(std::max(columns, 18))) << columns;
    EXPECT_THAT(line, HasSubstr("loading"));
  }
  EXPECT_THAT(format_progress("loading", 5, 0, 1, 80),
              HasSubstr("100 %"));  // an empty checkpoint is done
}

// A pipe whose reading end tells what arrived.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Pipe() {
    close_reader();
    ::close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  std::string read() {
    char text[4096];
    const ssize_t got = ::read(ends_[0], text, sizeof text);
    return {text, static_cast<size_t>(std::max<ssize_t>(got, 0))};
  }

 private:
  int ends_[2];
};

TEST(Output, WritesAtOnce) {
  Pipe pipe;
  Output output(pipe.writer());
  EXPECT_TRUE(output.write("你"));
  EXPECT_EQ(pipe.read(), "你");
  EXPECT_TRUE(output.intact());
}

TEST(Output, AReaderThatLeftEndsItQuietly) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  Output output(pipe.writer());
  EXPECT_FALSE(output.write("x"));
  EXPECT_FALSE(output.write("y"));
  EXPECT_FALSE(output.intact());
  EXPECT_NO_THROW(output.check());
}

TEST(Output, AFullDiskIsAnError) {
  const int full = ::open("/dev/full", O_WRONLY);
  if (full < 0) GTEST_SKIP() << "no /dev/full here";
  Output output(full);
  EXPECT_FALSE(output.write("x"));
  EXPECT_EQ(error_of([&] { output.check(); }), "stdout: cannot write: No space left on device");
  ::close(full);
}

TEST(Console, SaysAsMuchAsWasAskedFor) {
  const auto said = [](Verbosity verbosity) {
    Pipe pipe;
    Console console(pipe.writer(), verbosity);
    console.say("normal\n");
    console.say_verbose("verbose");
    console.status("never on a pipe");
    console.log_sink()(LogLevel::kWarning, "careful");
    console.error("broken");
    return pipe.read();
  };
  EXPECT_EQ(said(Verbosity::kQuiet), "tessera: error: broken\n");
  EXPECT_EQ(said(Verbosity::kNormal),
            "normal\ntessera: warning: careful\ntessera: error: broken\n");
  EXPECT_EQ(said(Verbosity::kVerbose),
            "normal\nverbose\ntessera: warning: careful\ntessera: error: broken\n");
}

}  // namespace
}  // namespace tessera
