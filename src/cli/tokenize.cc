#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"

namespace tessera {
namespace {

std::string ids_of(const TokenizeCommand& command) {
  const std::vector<int32_t> ids = tokenize(command.model_path, *command.text);
  return command.output.json ? to_json_line(ids) : fmt::format("{}\n", fmt::join(ids, " "));
}

std::string text_of(const TokenizeCommand& command) {
  const std::string text = detokenize(command.model_path, command.ids);
  return command.output.json ? to_json_line(text) : text + "\n";
}

}  // namespace

int execute(const TokenizeCommand& command) {
  Output output(STDOUT_FILENO);
  output.write(command.text ? ids_of(command) : text_of(command));
  output.check();
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace tessera
