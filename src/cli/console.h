#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "cli/options.h"
#include "tessera/log.h"

namespace tessera {

/// What the program says beside its answer: lines on stderr, and on a terminal one status line
/// (a progress bar) below them that is drawn over and over. Never throws: there is nobody left to
/// tell that stderr is gone. Any thread.
class Console {
 public:
  Console(int fd, Verbosity verbosity);
  ~Console() { clear_status(); }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  Verbosity verbosity() const { return verbosity_; }
  bool on_terminal() const { return on_terminal_; }
  int columns() const;  ///< of the terminal; 80 where there is none

  // Each takes one or more whole lines; whether the last one has its newline makes no difference.
  void say(std::string_view lines);          ///< dropped when quiet
  void say_verbose(std::string_view lines);  ///< dropped unless verbose
  void reply(std::string_view lines);        ///< always: the user asked for it
  void error(std::string_view line);         ///< "tessera: error: ..."; always

  /// Replaces the status line; dropped when quiet or not on a terminal.
  void status(std::string_view line);
  void clear_status();

  /// For the library: warnings and news as lines of their own. Must not outlive the console.
  LogSink log_sink();

 private:
  void write_lines(std::string_view lines);
  void write_all(std::string_view bytes) const;

  const int fd_;
  const Verbosity verbosity_;
  const bool on_terminal_;
  std::mutex mutex_;
  std::string status_;
};

}  // namespace tessera
