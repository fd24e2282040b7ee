#include <unistd.h>

#include "cli/commands.h"
#include "cli/output.h"

namespace tessera {

int execute(const ShowText& command) {
  Output output(STDOUT_FILENO);
  output.write(command.text);
  output.check();
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace tessera
