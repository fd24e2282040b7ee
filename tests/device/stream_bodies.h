#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/units.h"
#include "device/device.h"

namespace tessera {

inline std::unique_ptr<Device> open_cpu(DeviceInfo info = {.name = "cpu:0"}) {
  info.budget_bytes = kGiB;
  return open_virtual_device(std::move(info));
}

/// A body that needs no pool.
template <typename Body>
void run(Stream& stream, const Body& body) {
  stream.run({}, Work([body](WorkerPool&) { body(); }));
}

inline void spin_for(double seconds) {
  const double until_s = now_s() + seconds;
  while (now_s() < until_s) {
  }
}

/// Holds a stream until it is opened: a body that waits for the test.
class Gate {
 public:
  void close_on(Stream& stream) {
    run(stream, [this] {
      reached_ = true;
      reached_.notify_all();
      open_.wait(false);
    });
  }
  void wait_until_reached() { reached_.wait(false); }
  void open() {
    open_ = true;
    open_.notify_all();
  }

 private:
  std::atomic<bool> reached_{false}, open_{false};
};

}  // namespace tessera
