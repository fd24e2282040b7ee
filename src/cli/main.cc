// The program `tessera`: arguments in, exit status out. All it can do is in the commands.

#include <new>
#include <variant>

#include <unistd.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/signals.h"
#include "tessera/error.h"

namespace tessera {
namespace {

int run_program(std::span<const std::string> args) {
  Console console(STDERR_FILENO, Verbosity::kQuiet);  // errors alone
  try {
    return std::visit([](const auto& command) { return execute(command); },
                      parse_command_line(args));
  } catch (const Cancelled&) {
    return kInterruptedStatus;
  } catch (const UsageError& e) {
    console.error(e.what());
    return kUsageStatus;
  } catch (const std::bad_alloc&) {
    console.error("out of memory");
  } catch (const std::exception& e) {
    console.error(e.what());
  }
  return kFailedStatus;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::prepare_process();
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  return tessera::run_program(args);
}
