#include "cli/stop_signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "cli/signals.h"

namespace tessera {
namespace {

// SIGUSR1 is the destructor's own: it ends the thread that waits.
sigset_t signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { take(); });
}

StopSignals::~StopSignals() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
}

void StopSignals::take() {
  const sigset_t set = signals();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    const std::lock_guard lock(mutex_);
    if (over_) return;
    if (signal == SIGUSR1) continue;
    if (flag_.cancelled()) ::_exit(kInterruptedStatus);
    flag_.cancel();
    come_.notify_all();
  }
}

void StopSignals::wait() {
  std::unique_lock lock(mutex_);
  come_.wait(lock, [&] { return flag_.cancelled(); });
}

}  // namespace tessera
