#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/output.h"
#include "tessera/engine.h"

namespace tessera {

/// A conversation: questions and commands in, answers out. It remembers every turn. A turn that
/// failed, or was stopped before its answer began, leaves no trace in it: its pictures are the next
/// question's again, but for one that cannot be read. One thread.
class ChatSession {
 public:
  /// `interactive`: somebody sits there, sees errors and Ctrl-C stops an answer alone. Else both
  /// end the session.
  ChatSession(const ChatCommand& command, Engine& engine, Console& console, Output& output,
              bool interactive);

  /// Takes one line: "/image F", "/reset", "/plan", "/help", "/quit", or a question to answer. An
  /// empty line is nothing. False: the user wants to leave, or nobody reads the answers any more.
  /// Throws Error and Cancelled when not interactive.
  bool take(const std::string& line);

 private:
  bool take_command(std::string_view name, std::string_view rest);
  void add_picture(std::string_view file);
  void say_pictures() const;
  void ask(const std::string& question);

  Request request_;                // its messages are the conversation so far
  std::vector<Picture> pictures_;  // for the next question
  Engine& engine_;
  Console& console_;
  Output& output_;
  const bool json_, interactive_;
  bool answered_ = false;
};

}  // namespace tessera
