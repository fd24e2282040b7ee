#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"

namespace tessera {
namespace {

// "Yi-VL-34B" of .../Yi-VL-34B, .../Yi-VL-34B/ and .../Yi-VL-34B/config.json.
std::string model_name(const std::string& path) {
  std::filesystem::path p = std::filesystem::path(path).lexically_normal();
  if (p.filename() == "config.json" || !p.has_filename()) p = p.parent_path();
  return p.filename().empty() ? path : p.filename().string();
}

}  // namespace

int execute(const PlanCommand& command) {
  Console console(STDERR_FILENO, command.output.verbosity);
  Output output(STDOUT_FILENO);
  EngineOptions options = command.engine;
  options.log = console.log_sink();
  const Plan plan = plan_model(options);
  if (!options.plan_file.empty()) console.say(options.plan_file + ": all that it says holds");
  if (!command.svg_file.empty())  // one that does not fit shows what is missing
    write_file_atomic(command.svg_file, plan_to_svg(plan, model_name(command.engine.model_path) +
                                                              " on " + command.engine.devices));
  // One that does not fit has no table; the line below says why.
  if (command.output.json || plan.fits)
    output.write(command.output.json ? plan_to_text(plan) + "\n" : plan_to_table(plan));
  output.check();
  if (!plan.fits)
    throw Error({.where = command.engine.model_path,
                 .what = plan.why_not ? plan.why_not->text : "does not fit"});
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace tessera
