#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace tessera {

/// How a program ended and what it wrote.
struct ProgramResult {
  int status = -1;  ///< exit status; -1 when a signal ended it
  int signal = 0;   ///< the signal that ended it; 0: none
  std::string out, err;
  double seconds = 0;
};

/// A program of ours as a child with pipes for its standard streams. The destructor ends and reaps
/// it. Signals that the test runner may have been started to ignore (Ctrl-C in a background job)
/// have their usual effect in the child.
class Program {
 public:
  enum class Stdout { kPipe, kPipeWithoutReader };

  explicit Program(const std::vector<std::string>& args, Stdout stdout_kind = Stdout::kPipe)
      : start_s_(now_s()) {
    ::signal(SIGPIPE, SIG_IGN);  // a child that ends before it has read its input is no accident
    const auto in = make_pipe(), out = make_pipe(), err = make_pipe();
    if (stdout_kind == Stdout::kPipeWithoutReader) ::close(out[0]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t usual;
    ::sigemptyset(&usual);
    ::sigaddset(&usual, SIGINT);
    ::sigaddset(&usual, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &usual);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

    std::vector<char*> argv;
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    const int error = ::posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environ);
    EXPECT_EQ(error, 0) << argv[0] << ": " << std::strerror(error);
    if (error != 0) pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    for (const int fd : {in[0], out[1], err[1]}) ::close(fd);
    in_ = in[1];
    out_ = stdout_kind == Stdout::kPipe ? out[0] : -1;
    err_ = err[0];
  }

  ~Program() {
    for (int* fd : {&in_, &out_, &err_}) close_fd(*fd);
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void write_input(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t wrote = ::write(in_, text.data(), text.size());
      if (wrote <= 0) return;  // it has ended: the test will see its status
      text.remove_prefix(static_cast<size_t>(wrote));
    }
  }
  void close_input() { close_fd(in_); }
  void close_output() { close_fd(out_); }  ///< as `head` does when it has enough
  void interrupt() const { ::kill(pid_, SIGINT); }

  /// Reads until `text` is in what stdout (or stderr) brought; false after `timeout_s` or at the
  /// end of both.
  bool wait_for_output(const std::string& text, double timeout_s = 60) {
    return wait_until([&] { return result_.out.find(text) != std::string::npos; }, timeout_s);
  }
  bool wait_for_any_output(double timeout_s = 60) {
    return wait_until([&] { return !result_.out.empty(); }, timeout_s);
  }
  bool wait_for_error(const std::string& text, double timeout_s = 60) {
    return wait_until([&] { return result_.err.find(text) != std::string::npos; }, timeout_s);
  }

  /// Closes its stdin, reads all it writes and waits for its end. After `timeout_s` it is killed
  /// and the test fails.
  ProgramResult finish(double timeout_s = 120) {
    close_input();
    const double deadline = now_s() + timeout_s;
    while ((out_ >= 0 || err_ >= 0) && now_s() < deadline) read_some(deadline);
    int status = 0;
    while (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == 0) {
      if (now_s() > deadline) {
        ADD_FAILURE() << "still running after " << timeout_s << " s; stderr: " << result_.err;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status, 0);
        break;
      }
      ::usleep(1000);
    }
    pid_ = -1;
    result_.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result_.seconds = now_s() - start_s_;
    return result_;
  }

 private:
  static std::array<int, 2> make_pipe() {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    return ends;
  }

  static void close_fd(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }

  template <typename Done>
  bool wait_until(const Done& done, double timeout_s) {
    const double deadline = now_s() + timeout_s;
    while (!done()) {
      if ((out_ < 0 && err_ < 0) || now_s() > deadline) return false;
      read_some(deadline);
    }
    return true;
  }

  void read_some(double deadline) {
    std::array<pollfd, 2> wanted = {{{.fd = out_, .events = POLLIN, .revents = 0},
                                     {.fd = err_, .events = POLLIN, .revents = 0}}};
    const double left_ms = 1e3 * std::max(0.0, deadline - now_s());
    if (::poll(wanted.data(), wanted.size(), static_cast<int>(left_ms) + 1) <= 0) return;
    if (wanted[0].revents != 0) drain(out_, result_.out);
    if (wanted[1].revents != 0) drain(err_, result_.err);
  }

  static void drain(int& fd, std::string& to) {
    std::array<char, 65536> piece;
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got > 0) {
      to.append(piece.data(), static_cast<size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      close_fd(fd);
    }
  }

  double start_s_;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  ProgramResult result_;
};

/// Runs to the end with this text as stdin.
inline ProgramResult run_program(const std::vector<std::string>& args,
                                 std::string_view input = "") {
  Program program(args);
  program.write_input(input);
  return program.finish();
}

}  // namespace tessera
