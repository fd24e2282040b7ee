#pragma once

#include <array>
#include <cstdint>

namespace tessera {

/// How soon a place in the queue is free, by how fast the last ones became free.
class QueueRate {
 public:
  void left(double now_s);            ///< a request left the queue
  double next_s(double now_s) const;  ///< seconds until the next one does, 0.05 to 60

 private:
  std::array<double, 32> times_s_ = {};  // a ring
  uint64_t count_ = 0;
};

}  // namespace tessera
