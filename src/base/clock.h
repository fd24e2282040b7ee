#pragma once

#include <chrono>

namespace tessera {

/// Seconds on a clock that never goes back; only differences mean anything.
inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Processor seconds that all threads of this process have used.
double process_cpu_s();

/// Returns at `when_s` of now_s() or, where a core is free, a few microseconds later: sleeps and
/// spins the last 50 us.
void sleep_until_s(double when_s);

}  // namespace tessera
