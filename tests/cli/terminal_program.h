#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"

namespace tessera {

/// A program of ours on a pseudo-terminal: what it writes to stdout and stderr comes mixed, as on a
/// screen, and what is typed is edited, echoed and turned into signals by the terminal.
class TerminalProgram {
 public:
  explicit TerminalProgram(const std::vector<std::string>& args) {
    std::vector<char*> argv;
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    const winsize size = {.ws_row = 24, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    EXPECT_GE(pid_, 0);
    if (pid_ == 0) {
      ::signal(SIGINT, SIG_DFL);
      ::setenv("TERM", "xterm", 1);
      ::setenv("LC_ALL", "C", 1);  // as in a bare container; the program must cope
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~TerminalProgram() {
    ::close(terminal_);
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  TerminalProgram(const TerminalProgram&) = delete;
  TerminalProgram& operator=(const TerminalProgram&) = delete;

  void type(std::string_view keys) const {
    EXPECT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  /// Waits until `text` is on the screen behind what earlier calls waited for; false after a
  /// minute or when the program has ended without it.
  bool wait_for(const std::string& text) {
    const double deadline = now_s() + 60;
    size_t at = 0;
    while ((at = screen_.find(text, seen_)) == std::string::npos)
      if (now_s() > deadline || !read_some(0.1)) return false;
    seen_ = at + text.size();
    return true;
  }

  /// The exit status; 128 + N after signal N, as shells count. Killed by us after a minute.
  int finish() {
    const double deadline = now_s() + 60;
    while (read_some(0.1) && now_s() < deadline) {
    }
    int status = 0;
    if (now_s() >= deadline) ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  const std::string& screen() const { return screen_; }

 private:
  // False once the program's side is closed.
  bool read_some(double timeout_s) {
    pollfd wanted = {.fd = terminal_, .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, static_cast<int>(1e3 * timeout_s)) <= 0) return true;
    char piece[4096];
    const ssize_t got = ::read(terminal_, piece, sizeof piece);
    if (got <= 0) return false;
    screen_.append(piece, static_cast<size_t>(got));
    return true;
  }

  int terminal_ = -1;
  pid_t pid_ = -1;
  std::string screen_;
  size_t seen_ = 0;
};

}  // namespace tessera
