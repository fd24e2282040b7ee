#pragma once

#include <memory>
#include <string>

#include "cli/console.h"

namespace tessera {

/// A line that a user typed or piped in.
struct Line {
  enum class Kind {
    kText,
    kInterrupt,  ///< Ctrl-C at the prompt: the line was thrown away
    kEnd,        ///< end of the input, Ctrl-D
  };
  Kind kind = Kind::kText;
  std::string text = {};   ///< without its end
  bool was_empty = false;  ///< kInterrupt: there was nothing to throw away
};

class LineReader {
 public:
  virtual ~LineReader() = default;
  /// Waits for the next line. Throws Error when the input cannot be read or a line is absurd.
  virtual Line next() = 0;
};

/// Lines of a terminal: prompt, line editing and a history in memory (libedit). The prompt and the
/// echo go to stderr: stdout carries answers alone.
std::unique_ptr<LineReader> make_terminal_reader();

/// Lines of any other input. A last line may lack its end.
std::unique_ptr<LineReader> make_plain_reader(int fd);

}  // namespace tessera
