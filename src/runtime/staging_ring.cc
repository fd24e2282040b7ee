#include "runtime/staging_ring.h"

#include <algorithm>

namespace tessera {

StagingRing::StagingRing(uint64_t slot_bytes, int slots)
    : slot_bytes_(slot_bytes), unmade_(slots) {}

StagingRing::Slot::~Slot() {
  if (data_ == nullptr) return;
  {
    const std::lock_guard lock(ring_->mutex_);
    ring_->free_.push_back(std::move(data_));
    --ring_->in_use_;
  }
  ring_->freed_.notify_one();
}

StagingRing::Slot StagingRing::take() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return !free_.empty() || unmade_ > 0; });
  std::unique_ptr<std::byte[]> data;
  if (!free_.empty()) {
    data = std::move(free_.back());
    free_.pop_back();
  } else {
    data = std::make_unique_for_overwrite<std::byte[]>(slot_bytes_);
    --unmade_;
  }
  peak_in_use_ = std::max(peak_in_use_, ++in_use_);
  return {*this, std::move(data)};
}

uint64_t StagingRing::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(peak_in_use_) * slot_bytes_;
}

}  // namespace tessera
