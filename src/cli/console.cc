#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace tessera {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

Console::Console(int fd, Verbosity verbosity)
    : fd_(fd), verbosity_(verbosity), on_terminal_(::isatty(fd) == 1) {}

int Console::columns() const {
  winsize size = {};
  return on_terminal_ && ::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void Console::say(std::string_view lines) {
  if (verbosity_ != Verbosity::kQuiet) write_lines(lines);
}

void Console::say_verbose(std::string_view lines) {
  if (verbosity_ == Verbosity::kVerbose) write_lines(lines);
}

void Console::reply(std::string_view lines) {
  write_lines(lines);
}

void Console::error(std::string_view line) {
  write_lines("tessera: error: " + std::string(line));
}

void Console::status(std::string_view line) {
  if (verbosity_ == Verbosity::kQuiet || !on_terminal_) return;
  const std::lock_guard lock(mutex_);
  status_ = line;
  write_all(std::string(kEraseLine) + status_);
}

void Console::clear_status() {
  const std::lock_guard lock(mutex_);
  if (!status_.empty()) write_all(kEraseLine);
  status_.clear();
}

LogSink Console::log_sink() {
  return [this](LogLevel level, std::string_view line) {
    switch (level) {
      case LogLevel::kWarning:
        return say("tessera: warning: " + std::string(line));
      case LogLevel::kInfo:
        return say("tessera: " + std::string(line));
      case LogLevel::kDebug:
        return say_verbose("tessera: " + std::string(line));
    }
  };
}

// In one piece, so that lines of several threads and programs do not mix.
void Console::write_lines(std::string_view lines) {
  if (lines.ends_with('\n')) lines.remove_suffix(1);
  const std::lock_guard lock(mutex_);
  std::string text;
  if (!status_.empty()) text += kEraseLine;
  text += lines;
  text += '\n';
  text += status_;
  write_all(text);
}

void Console::write_all(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
}

}  // namespace tessera
