#include "device/virtual_stream.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <typeinfo>
#include <utility>

#include "base/clock.h"
#include "base/spin_wait.h"
#include "base/units.h"
#include "device/device_error.h"
#include "device/link.h"

namespace tessera {
namespace {

// Loading and moving layers copy this much at once. A step's activations are smaller and are copied
// by the stream's thread alone: an op that starts while a copy has the workers would miss them.
constexpr uint64_t kParallelCopyBytes = 32 * kMiB;
constexpr uint64_t kCopyPieceBytes = kMiB;

constexpr double kMaxDebt_s = 200e-6;

void pin_this_thread(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  // Cores that this process may not use leave the thread where it is: slower, not wrong.
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

HostEvent& host_event(const Device& device, Event& event) {
  if (typeid(event) != typeid(HostEvent))
    throw_wrong_event(device.info().name, "one made by a virtual device");
  return static_cast<HostEvent&>(event);
}

void copy_in_pieces(std::byte* to, const std::byte* from, uint64_t bytes, WorkerPool& pool) {
  const uint64_t pieces = (bytes + kCopyPieceBytes - 1) / kCopyPieceBytes;
  pool.for_each(static_cast<int64_t>(pieces), [=](int64_t piece) {
    const uint64_t begin = static_cast<uint64_t>(piece) * kCopyPieceBytes;
    std::memcpy(to + begin, from + begin, std::min(kCopyPieceBytes, bytes - begin));
  });
}

}  // namespace

VirtualStream::VirtualStream(Device& device, WorkerPool& pool, std::string name,
                             const std::vector<int>& cpus)
    : device_(device),
      pool_(pool),
      name_(std::move(name)),
      stretch_(1 / device.info().speed - 1),
      thread_([this, cpus] {
        pin_this_thread(cpus);
        prctl(PR_SET_TIMERSLACK, 1000);  // 1 us: links and slow devices keep time by sleeping
        loop();
      }) {
  const std::string shown = fmt::format("{}.{}", device.info().name, name_);
  pthread_setname_np(thread_.native_handle(), shown.substr(0, 15).c_str());
}

VirtualStream::~VirtualStream() {
  submit(Stop{});
  thread_.join();
}

void VirtualStream::run(const Cost&, const Work& work) {
  submit(work);
}

void VirtualStream::copy(void* to, Device* to_device, const void* from, Device* from_device,
                         uint64_t bytes) {
  assert(to_device == &device_ || from_device == &device_);
  assert(bytes == 0 || (to != nullptr && from != nullptr));
  // The other end, where that is not in host memory.
  for (Device* other : {to_device, from_device})
    if (other != nullptr && other->info().kind == DeviceKind::kCuda) {
      submit(Transfer{other, to, from, bytes, other == to_device});
      return;
    }
  submit(Copy{to, from, bytes, link_between(to_device, from_device).time_s(bytes)});
}

void VirtualStream::skip_when(const CancelFlag* flag) {
  submit(SkipWhen{flag});
}

void VirtualStream::record(Event& event) {
  HostEvent& host = host_event(device_, event);
  submit(Record{&host, host.submit_record()});
}

void VirtualStream::wait(Event& event) {
  if (typeid(event) != typeid(HostEvent) && event.in_real_time()) {
    submit(WaitForOther{&event});
    return;
  }
  const HostEvent& host = host_event(device_, event);
  submit(Wait{&host, host.last_record()});
}

void VirtualStream::synchronize() {
  record(synchronized_);
  synchronized_.synchronize();
  check();
}

void VirtualStream::check() const {
  if (broken_.load(std::memory_order_acquire)) std::rethrow_exception(error_);
}

template <typename Kind>
void VirtualStream::submit(const Kind& op) {
  // Room is given back a quarter of the ring at a time, so that a submitter who sleeps is not woken
  // for each op.
  for (uint32_t laps = free_laps_.load(std::memory_order_acquire);
       next_ - laps * kQuarter == kSlots; laps = free_laps_.load(std::memory_order_acquire))
    wait_while_equal(free_laps_, laps);
  ring_[next_ % kSlots].emplace<Kind>(op);
  ++next_;
  submitted_.store(next_);
  submitted_.notify_one();
}

void VirtualStream::loop() {
  for (uint32_t taken = 0;;) {
    wait_while_equal(submitted_, taken);
    const Op& op = ring_[taken % kSlots];
    if (std::holds_alternative<Stop>(op)) return;
    std::visit([this](const auto& kind) { execute(kind); }, op);
    if (++taken % kQuarter == 0) {
      free_laps_.fetch_add(1);
      free_laps_.notify_one();
    }
  }
}

template <typename Body>
void VirtualStream::attempt(const Body& body) {
  try {
    body();
  } catch (...) {
    error_ = current_error(device_.info().name, name_);
    broken_.store(true, std::memory_order_release);
  }
}

void VirtualStream::execute(const Work& work) {
  if (skipping()) return;
  const double begin_s = stretch_ > 0 ? now_s() : 0;
  attempt([&] { work(pool_); });
  if (stretch_ <= 0) return;
  debt_s_ += (now_s() - begin_s) * stretch_;
  if (debt_s_ > kMaxDebt_s) pay_debt();
}

void VirtualStream::execute(const Copy& copy) {
  if (skipping()) return;
  settle();
  const double begin_s = copy.link_s > 0 ? now_s() : 0;
  if (copy.bytes >= kParallelCopyBytes) {
    copy_in_pieces(static_cast<std::byte*>(copy.to), static_cast<const std::byte*>(copy.from),
                   copy.bytes, pool_);
  } else if (copy.bytes > 0) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
  if (copy.link_s > 0) sleep_until_s(begin_s + copy.link_s);
}

void VirtualStream::execute(const Transfer& transfer) {
  if (skipping()) return;
  settle();
  attempt([&] {
    if (transfer.into_device) {
      transfer.device->write(transfer.to,
                             {static_cast<const std::byte*>(transfer.from), transfer.bytes});
    } else {
      transfer.device->read({static_cast<std::byte*>(transfer.to), transfer.bytes}, transfer.from);
    }
  });
}

void VirtualStream::execute(const Record& record) {
  settle();
  record.event->pass(record.ticket);
}

void VirtualStream::execute(const Wait& wait) {
  settle();
  wait.event->wait_for(wait.ticket);
}

void VirtualStream::execute(const WaitForOther& wait) {
  settle();
  if (error_) return;  // what follows is skipped; the first Error stays
  attempt([&] { wait.event->synchronize(); });
}

// What is slept too long counts towards the ops that follow.
void VirtualStream::pay_debt() {
  if (debt_s_ <= 0) return;
  const double begin_s = now_s();
  sleep_until_s(begin_s + debt_s_);
  debt_s_ -= now_s() - begin_s;
}

// Where others look at the stream's time it must be right: nothing is owed, nothing in hand.
void VirtualStream::settle() {
  pay_debt();
  debt_s_ = 0;
}

}  // namespace tessera
