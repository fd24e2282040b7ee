#include "device/host_event.h"

#include "base/clock.h"
#include "base/spin_wait.h"

namespace tessera {

namespace {

bool is_behind(uint32_t passed, uint32_t ticket) {
  return static_cast<int32_t>(passed - ticket) < 0;
}

}  // namespace

bool HostEvent::passed() const {
  return !is_behind(passed_.load(std::memory_order_acquire), last_record());
}

void HostEvent::pass(uint32_t ticket) {
  wait_for(ticket - 1);
  time_s_.store(now_s(), std::memory_order_relaxed);
  passed_.store(ticket);
  passed_.notify_all();
}

void HostEvent::wait_for(uint32_t ticket) const {
  for (uint32_t passed = passed_.load(std::memory_order_acquire); is_behind(passed, ticket);
       passed = passed_.load(std::memory_order_acquire))
    wait_while_equal(passed_, passed);
}

}  // namespace tessera
