#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace tessera {

/// Host buffers of one size that readers share; together never above the cap. Thread-safe.
class StagingRing {
 public:
  /// `slots` buffers of `slot_bytes`, made when first needed.
  StagingRing(uint64_t slot_bytes, int slots);

  class Slot {
   public:
    Slot(Slot&&) = default;
    ~Slot();
    std::byte* data() const { return data_.get(); }

   private:
    friend class StagingRing;
    Slot(StagingRing& ring, std::unique_ptr<std::byte[]> data)
        : ring_(&ring), data_(std::move(data)) {}
    StagingRing* ring_;
    std::unique_ptr<std::byte[]> data_;
  };

  /// Waits for a free buffer; it goes back when the Slot is destroyed.
  Slot take();

  uint64_t peak_bytes() const;

 private:
  const uint64_t slot_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<std::byte[]>> free_;
  int unmade_;
  int in_use_ = 0, peak_in_use_ = 0;
};

}  // namespace tessera
