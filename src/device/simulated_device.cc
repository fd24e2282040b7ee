#include <algorithm>
#include <atomic>
#include <cassert>
#include <random>
#include <typeinfo>
#include <utility>

#include "device/device.h"
#include "device/device_error.h"
#include "device/link.h"

namespace tessera {
namespace {

/// Carries a moment of simulated time from the stream that records it to those that wait. When the
/// wait is submitted its time is already known, so nothing ever blocks. Threads that hand an event
/// over order record and wait themselves, as for any event.
class SimulatedEvent final : public Event {
 public:
  void synchronize() override {}
  bool passed() const override { return true; }
  double time_s() const override { return time_s_.load(std::memory_order_acquire); }
  bool in_real_time() const override { return false; }
  void set_time_s(double time_s) { time_s_.store(time_s, std::memory_order_release); }

 private:
  std::atomic<double> time_s_{0};  // never recorded: before all else
};

SimulatedEvent& simulated_event(const Device& device, Event& event) {
  if (typeid(event) != typeid(SimulatedEvent))
    throw_wrong_event(device.info().name, "one made by a simulated device");
  return static_cast<SimulatedEvent&>(event);
}

// What takes no time where the rate is not given.
double time_at(double amount, double per_s) {
  return per_s > 0 ? amount / per_s : 0;
}

class SimulatedStream final : public Stream {
 public:
  explicit SimulatedStream(Device& device) : device_(device) {}

  Device& device() const override { return device_; }

  void run(const Cost& cost, const Work&) override {
    if (skipping()) return;
    const DeviceInfo& info = device_.info();
    clock_s_ += pace_ * (info.op_overhead_s + std::max(time_at(cost.flops, info.flops_per_s),
                                                       time_at(cost.bytes, info.read_bytes_per_s)));
  }

  void copy(void*, Device* to_device, const void*, Device* from_device, uint64_t bytes) override {
    assert(to_device == &device_ || from_device == &device_);
    if (skipping()) return;
    if (to_device == from_device) {  // read and written here
      clock_s_ += time_at(2 * static_cast<double>(bytes), device_.info().read_bytes_per_s);
    } else {
      clock_s_ += link_between(to_device, from_device).time_s(bytes);
    }
  }

  void skip_when(const CancelFlag* flag) override { skip_when_ = flag; }

  void record(Event& event) override { simulated_event(device_, event).set_time_s(clock_s_); }
  void wait(Event& event) override {
    if (device_.info().jitter > 0)  // what waits begins a step
      pace_ = std::max(0.1, 1 + device_.info().jitter * normal_(random_));
    clock_s_ = std::max(clock_s_, simulated_event(device_, event).time_s());
  }
  void synchronize() override {}
  void check() const override {}

 private:
  bool skipping() const { return skip_when_ != nullptr && skip_when_->cancelled(); }

  Device& device_;
  const CancelFlag* skip_when_ = nullptr;
  double clock_s_ = 0;
  double pace_ = 1;
  std::mt19937_64 random_{1};
  std::normal_distribution<double> normal_;
};

class SimulatedDevice final : public Device {
 public:
  explicit SimulatedDevice(DeviceInfo device_info) : Device(std::move(device_info)) {}

  std::unique_ptr<Stream> open_stream(std::string_view) override {
    return std::make_unique<SimulatedStream>(*this);
  }
  std::unique_ptr<Event> make_event() override { return std::make_unique<SimulatedEvent>(); }
  void write(void*, std::span<const std::byte>) override {}
  void read(std::span<std::byte>, const void*) override {}

 private:
  void* take(uint64_t, MemoryKind, std::string_view) override { return nullptr; }
  void give_back(void*, uint64_t) noexcept override {}
  bool in_host_memory() const override { return false; }
};

}  // namespace

std::unique_ptr<Device> open_simulated_device(DeviceInfo info) {
  info.kind = DeviceKind::kSimulated;
  return std::make_unique<SimulatedDevice>(std::move(info));
}

}  // namespace tessera
