#include <unistd.h>

#include "cli/chat_session.h"
#include "cli/commands.h"
#include "cli/line_reader.h"
#include "cli/signals.h"
#include "cli/start_engine.h"

namespace tessera {
namespace {

std::unique_ptr<Engine> load(const ChatCommand& command, Console& console) {
  const InterruptScope interrupt;
  return start_engine(command.engine, console, interrupt.flag());
}

}  // namespace

int execute(const ChatCommand& command) {
  Console console(STDERR_FILENO, command.output.verbosity);
  Output output(STDOUT_FILENO);
  const bool interactive = ::isatty(STDIN_FILENO) == 1 && console.on_terminal();

  check_pictures(command.pictures);
  const auto engine = load(command, console);
  if (interactive) console.say("Ask a question; /help lists the commands.");
  const auto lines = interactive ? make_terminal_reader() : make_plain_reader(STDIN_FILENO);
  ChatSession session(command, *engine, console, output, interactive);

  bool interrupted = false;  // by the line before
  while (true) {
    const Line line = lines->next();
    switch (line.kind) {
      case Line::Kind::kEnd:
        return kDoneStatus;
      case Line::Kind::kInterrupt:
        if (interrupted && line.was_empty) return kInterruptedStatus;
        if (line.was_empty) console.reply("Ctrl-C again, or Ctrl-D, leaves.");
        interrupted = true;
        break;
      case Line::Kind::kText:
        interrupted = false;
        if (!session.take(line.text)) return output.intact() ? kDoneStatus : kFailedStatus;
        break;
    }
  }
}

}  // namespace tessera
