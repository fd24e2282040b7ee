#include "cli/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <csignal>

namespace tessera {
namespace {

// What the handler acts on. A signal handler is handed nothing but the signal's number, so this
// one variable must be reachable from everywhere.
std::atomic<CancelFlag*> taker{nullptr};
static_assert(std::atomic<CancelFlag*>::is_always_lock_free);

void on_interrupt(int) {
  CancelFlag* flag = taker.load();
  if (flag == nullptr || flag->cancelled()) ::_exit(kInterruptedStatus);
  flag->cancel();
}

void open_missing_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    // Reading only: what is written to a stdout that was closed fails, as it should. open takes
    // the lowest free number, which is this one.
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);
}

}  // namespace

void prepare_process() {
  open_missing_descriptors();

  struct sigaction action = {};
  sigemptyset(&action.sa_mask);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);

  // No SA_RESTART: a write to a reader that has stalled returns and sees the flag. Taken even where
  // it was ignored (a background job): whoever sends the signal means it.
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptScope::InterruptScope() {
  assert(taker.load() == nullptr);
  taker.store(&flag_);
}

InterruptScope::~InterruptScope() {
  taker.store(nullptr);
}

}  // namespace tessera
