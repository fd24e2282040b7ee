#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "cuda_emulator/device_thread.h"
#include "cuda_emulator/seeded.h"

namespace tessera {

/// The threads of a block that could go on, in the order in which they came: a ring, as nothing may
/// be allocated while threads run.
class ReadyThreads {
 public:
  bool empty() const { return count_ == 0; }
  void clear() { first_ = count_ = 0; }
  void add(DeviceThread* thread) { at(count_++) = thread; }

  DeviceThread* take_first() {
    DeviceThread* const thread = at(0);
    first_ = (first_ + 1) % kMaxBlockThreads;
    --count_;
    return thread;
  }
  DeviceThread* take_last() { return at(--count_); }
  DeviceThread* take_random(Seeded& random) {
    std::swap(at(static_cast<uint32_t>(random.below(count_))), at(count_ - 1));
    return take_last();
  }

 private:
  DeviceThread*& at(uint32_t i) { return at_[(first_ + i) % kMaxBlockThreads]; }

  std::array<DeviceThread*, kMaxBlockThreads> at_;
  uint32_t first_ = 0, count_ = 0;
};

}  // namespace tessera
