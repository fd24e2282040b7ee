#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.h"

namespace tessera {

/// Host buffers of one size that readers share; together never above the cap. Thread-safe.
class StagingRing {
 public:
  /// `slots` buffers of `slot_bytes`, made when first needed, in host memory of `memory_of`; a
  /// buffer is taken again once each of `copying` has made its copy.
  StagingRing(Device& memory_of, std::vector<Device*> copying, uint64_t slot_bytes, int slots);

 private:
  struct Buffer {
    HostBuffer memory;
    std::vector<std::unique_ptr<Event>> copied;  // one of each copying device
  };

 public:
  class Slot {
   public:
    Slot(Slot&&) = default;
    ~Slot();
    std::byte* data() const { return buffer_->memory.data(); }
    /// For the stream of copying device `index` to record behind its copy.
    Event& copied(size_t index) const { return *buffer_->copied[index]; }

   private:
    friend class StagingRing;
    Slot(StagingRing& ring, std::unique_ptr<Buffer> buffer)
        : ring_(&ring), buffer_(std::move(buffer)) {}
    StagingRing* ring_;
    std::unique_ptr<Buffer> buffer_;
  };

  /// Waits for a free buffer, the one that has been free for longest, and for its copies; it goes
  /// back when the Slot is destroyed. Throws the Error of a device that was lost.
  Slot take();

  uint64_t peak_bytes() const;

 private:
  std::unique_ptr<Buffer> make() const;

  Device& memory_of_;
  const std::vector<Device*> copying_;
  const uint64_t slot_bytes_;
  const int slots_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::deque<std::unique_ptr<Buffer>> free_;
  int made_ = 0;
};

}  // namespace tessera
