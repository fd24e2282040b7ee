#pragma once

#include <chrono>

namespace tessera {

/// Seconds on a clock that never goes back; only differences mean anything.
inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace tessera
