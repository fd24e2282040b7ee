#include "runtime/queue_rate.h"

#include <algorithm>

namespace tessera {

void QueueRate::left(double now_s) {
  times_s_[count_++ % times_s_.size()] = now_s;
}

// The time since the last one counts too: when nothing moves, the estimate grows.
double QueueRate::next_s(double now_s) const {
  if (count_ == 0) return 1;
  const uint64_t known = std::min<uint64_t>(count_, times_s_.size());
  const double oldest_s = times_s_[(count_ - known) % times_s_.size()];
  return std::clamp((now_s - oldest_s) / static_cast<double>(known), 0.05, 60.0);
}

}  // namespace tessera
