#include "base/clock.h"

#include <ctime>
#include <thread>

#include "base/spin_wait.h"

namespace tessera {

double process_cpu_s() {
  timespec used = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

void sleep_until_s(double when_s) {
  // The kernel may wake a sleeper 50 us late (the default timer slack); a thread that cares asks
  // for less, and then this leaves time to switch to it.
  constexpr double kSpin_s = 50e-6;
  const double sleep_s = when_s - kSpin_s - now_s();
  if (sleep_s > 0) std::this_thread::sleep_for(std::chrono::duration<double>(sleep_s));
  while (now_s() < when_s) spin_pause();
}

}  // namespace tessera
