#pragma once

#include <atomic>
#include <cstdint>

#include "device/stream.h"

namespace tessera {

/// The event of virtual devices: two counters, the records submitted and the records passed. A wait
/// keeps the number of the record that it means, so a later record does not move it. Any virtual
/// stream, of any device, may record it or wait for it.
///
/// Recorded by several streams in turn, it passes its records in the order of their submission: a
/// stream waits at its record for the earlier ones. That can never be a cycle, because each op
/// waits only for what was submitted before it.
class HostEvent final : public Event {
 public:
  // For the streams. A ticket is the number of a record; they wrap around.
  uint32_t submit_record() { return submitted_.fetch_add(1, std::memory_order_acq_rel) + 1; }
  uint32_t last_record() const { return submitted_.load(std::memory_order_acquire); }
  void pass(uint32_t ticket);  ///< on the recording stream's thread
  void wait_for(uint32_t ticket) const;

  void synchronize() override { wait_for(last_record()); }
  bool passed() const override;
  double time_s() const override { return time_s_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> submitted_{0};
  std::atomic<uint32_t> passed_{0};
  std::atomic<double> time_s_{0};  // written before passed_
};

}  // namespace tessera
