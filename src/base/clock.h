#pragma once

#include <chrono>

namespace tessera {

/// Seconds on a clock that never goes back; only differences mean anything.
inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// That moment of now_s(), for waits of the standard library.
inline std::chrono::steady_clock::time_point time_point(double when_s) {
  using Clock = std::chrono::steady_clock;
  return Clock::time_point(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(when_s)));
}

/// Processor seconds that all threads of this process have used.
double process_cpu_s();

/// Returns at `when_s` of now_s() or, where a core is free, a few microseconds later: sleeps and
/// spins the last 50 us.
void sleep_until_s(double when_s);

}  // namespace tessera
