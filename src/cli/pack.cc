#include "tessera/pack.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/signals.h"

namespace tessera {
namespace {

std::string line_of(const PackCommand& command, const PackResult& result) {
  const std::string_view precision = precision_name(result.precision);
  if (command.check)
    return fmt::format("{}: {} files in {}, {}: every checksum holds\n", command.pack.out,
                       result.files, precision, format_bytes(result.bytes));
  const std::string kept =
      result.kept_files > 0 ? fmt::format(", {} of them there already", result.kept_files) : "";
  return fmt::format("{}: {} files in {}{}, {} in {}\n", command.pack.out, result.files, precision,
                     kept, format_bytes(result.bytes), format_duration(result.seconds));
}

Json json_of(const PackCommand& command, const PackResult& result) {
  return {{"path", command.pack.out}, {"precision", precision_name(result.precision)},
          {"files", result.files},    {"kept_files", result.kept_files},
          {"bytes", result.bytes},    {"seconds", result.seconds}};
}

}  // namespace

int execute(const PackCommand& command) {
  Console console(STDERR_FILENO, command.output.verbosity);
  Output output(STDOUT_FILENO);
  const InterruptScope interrupt;
  LoadProgressView progress(console, command.check ? "checking" : "packing");
  PackOptions options = command.pack;
  options.on_progress = [&](uint64_t done, uint64_t total, double elapsed_s) {
    progress.show(done, total, elapsed_s);
  };

  const PackResult result =
      command.check ? check_packed_model(options.out, options.on_progress, &interrupt.flag())
                    : pack_model(options, &interrupt.flag());
  console.clear_status();
  output.write(command.output.json ? to_json_line(json_of(command, result))
                                   : line_of(command, result));
  output.check();
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace tessera
