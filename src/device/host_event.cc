#include "device/host_event.h"

#include "base/clock.h"
#include "base/spin_wait.h"

namespace tessera {

void HostEvent::pass(uint32_t ticket) {
  wait_for(ticket - 1);
  time_s_.store(now_s(), std::memory_order_relaxed);
  passed_.store(ticket);
  passed_.notify_all();
}

void HostEvent::wait_for(uint32_t ticket) const {
  const auto behind = [ticket](uint32_t passed) {
    return static_cast<int32_t>(passed - ticket) < 0;
  };
  for (uint32_t passed = passed_.load(std::memory_order_acquire); behind(passed);
       passed = passed_.load(std::memory_order_acquire))
    wait_while_equal(passed_, passed);
}

}  // namespace tessera
