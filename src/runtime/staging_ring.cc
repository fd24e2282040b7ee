#include "runtime/staging_ring.h"

namespace tessera {

StagingRing::StagingRing(Device& memory_of, std::vector<Device*> copying, uint64_t slot_bytes,
                         int slots)
    : memory_of_(memory_of), copying_(std::move(copying)), slot_bytes_(slot_bytes), slots_(slots) {}

StagingRing::Slot::~Slot() {
  if (buffer_ == nullptr) return;
  {
    const std::lock_guard lock(ring_->mutex_);
    ring_->free_.push_back(std::move(buffer_));
  }
  ring_->freed_.notify_one();
}

std::unique_ptr<StagingRing::Buffer> StagingRing::make() const {
  auto buffer = std::make_unique<Buffer>();
  buffer->memory = memory_of_.allocate_host(slot_bytes_);
  for (Device* device : copying_) buffer->copied.push_back(device->make_event());
  return buffer;
}

StagingRing::Slot StagingRing::take() {
  std::unique_lock lock(mutex_);
  // A new buffer rather than one whose copy may still be on its way, as long as there is one.
  freed_.wait(lock, [&] { return !free_.empty() || made_ < slots_; });
  if (made_ < slots_) {
    ++made_;
    lock.unlock();
    try {
      return {*this, make()};
    } catch (...) {
      lock.lock();
      --made_;
      freed_.notify_one();
      throw;
    }
  }
  Slot slot(*this, std::move(free_.front()));
  free_.pop_front();
  lock.unlock();
  for (const std::unique_ptr<Event>& copied : slot.buffer_->copied) copied->synchronize();
  return slot;
}

uint64_t StagingRing::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(made_) * slot_bytes_;
}

}  // namespace tessera
