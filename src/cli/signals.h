#pragma once

#include "tessera/cancel.h"

namespace tessera {

/// The exit status after Ctrl-C, as shells count: 128 + SIGINT.
inline constexpr int kInterruptedStatus = 130;

/// Sets the program's signals once, at its start: Ctrl-C ends it with kInterruptedStatus, unless an
/// InterruptScope takes it; writing to a pipe that nobody reads is an error of write() and no
/// signal. Standard descriptors that the caller left closed are opened on /dev/null, so that no
/// file of ours can become "stdout".
void prepare_process();

/// While one lives, the first Ctrl-C sets its flag instead; a second one ends the program at once.
/// At most one at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  const CancelFlag& flag() const { return flag_; }

 private:
  CancelFlag flag_;
};

}  // namespace tessera
