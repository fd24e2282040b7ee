#include <unistd.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/start_engine.h"

namespace tessera {
namespace {

std::string json_line(const Answer& answer, const Engine& engine) {
  Json json = answer_to_json(answer, engine);
  json["plan"] = parse_json(plan_to_text(engine.plan()), "plan");
  return to_json_line(json);
}

}  // namespace

int execute(const RunCommand& command) {
  Console console(STDERR_FILENO, command.output.verbosity);
  Output output(STDOUT_FILENO);
  const InterruptScope interrupt;
  const bool json = command.output.json;

  check_pictures(command.request.messages.front().pictures);
  const auto engine = start_engine(command.engine, console, interrupt.flag());
  const Engine::OnText stream = [&](std::string_view piece) {
    return output.write(piece, &interrupt.flag());
  };
  const Answer answer =
      engine->generate(command.request, json ? Engine::OnText() : stream, &interrupt.flag());
  output.write(json ? json_line(answer, *engine) : "\n", &interrupt.flag());
  output.check();
  if (interrupt.flag().cancelled()) throw Cancelled();
  if (!output.intact()) return kFailedStatus;

  console.say(describe_answer(answer));
  console.say(describe_devices(engine->devices()));
  return kDoneStatus;
}

}  // namespace tessera
