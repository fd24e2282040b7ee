#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "device/device.h"
#include "device/host_event.h"

namespace tessera {

/// A virtual device's stream: a thread that takes ops from a ring of fixed size, one submitter and
/// one consumer, no lock and no allocation per op. A full ring makes the submitter wait. The thread
/// sleeps when there is nothing to do.
class VirtualStream final : public Stream {
 public:
  static constexpr uint32_t kSlots = 256;  ///< ops that may wait, of about 700 bytes each

  /// `pool` and `device` outlive the stream; `cpus` are the cores its thread may use, empty: any.
  VirtualStream(Device& device, WorkerPool& pool, std::string name, const std::vector<int>& cpus);
  ~VirtualStream() override;

  Device& device() const override { return device_; }
  void run(const Cost& cost, const Work& work) override;
  void copy(void* to, Device* to_device, const void* from, Device* from_device,
            uint64_t bytes) override;
  void skip_when(const CancelFlag* flag) override;
  void record(Event& event) override;
  void wait(Event& event) override;
  void synchronize() override;
  void check() const override;

 private:
  struct Stop {};
  struct Copy {
    void* to;
    const void* from;
    uint64_t bytes;
    double link_s;  // what the link takes; the memory may take longer
  };
  // Between host memory and a device that has its own.
  struct Transfer {
    Device* device;
    void* to;
    const void* from;
    uint64_t bytes;
    bool into_device;
  };
  struct SkipWhen {
    const CancelFlag* flag;
  };
  struct Record {
    HostEvent* event;
    uint32_t ticket;
  };
  struct Wait {
    const HostEvent* event;
    uint32_t ticket;
  };
  struct WaitForOther {
    Event* event;  // of another kind of device
  };
  using Op = std::variant<Stop, Work, Copy, Transfer, SkipWhen, Record, Wait, WaitForOther>;

  // On the submitter's thread.
  template <typename Kind>
  void submit(const Kind& op);

  // On the stream's thread.
  void loop();
  void execute(const Stop&) {}
  void execute(const Work& work);
  void execute(const Copy& copy);
  void execute(const Transfer& transfer);
  void execute(const SkipWhen& skip) { skip_when_ = skip.flag; }
  void execute(const Record& record);
  void execute(const Wait& wait);
  void execute(const WaitForOther& wait);
  template <typename Body>
  void attempt(const Body& body);
  bool skipping() const { return error_ || (skip_when_ != nullptr && skip_when_->cancelled()); }
  void pay_debt();
  void settle();

  static constexpr uint32_t kQuarter = kSlots / 4;
  static_assert((kSlots & (kSlots - 1)) == 0, "counters wrap around");

  Device& device_;
  WorkerPool& pool_;
  const std::string name_;
  const double stretch_;  // 1 / speed - 1

  std::array<Op, kSlots> ring_;
  uint32_t next_ = 0;                   // the submitter's copy of submitted_
  std::atomic<uint32_t> submitted_{0};  // ops, ever
  std::atomic<uint32_t> free_laps_{0};  // quarters of the ring that were emptied, ever
  HostEvent synchronized_;

  const CancelFlag* skip_when_ = nullptr;
  double debt_s_ = 0;         // what a slower device would still be busy with
  std::exception_ptr error_;  // written once, before broken_
  std::atomic<bool> broken_{false};
  std::thread thread_;
};

}  // namespace tessera
