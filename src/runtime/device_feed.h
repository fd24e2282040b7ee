#pragma once

#include <array>
#include <memory>
#include <mutex>

#include "runtime/load_plan.h"

namespace tessera {

/// Where the pieces of a load enter a device whose memory the host cannot write: copied into one
/// half of a small buffer there while the device packs what is in the other. Thread-safe.
class DeviceFeed {
 public:
  /// `piece_bytes`: of the largest piece. Books load_staging_bytes, or more for larger pieces.
  DeviceFeed(Device& device, uint64_t piece_bytes);

  Device& device() const { return device_; }

  /// Zeros behind a matrix's last row; before its rows.
  void pad(const PackedMatrix& matrix);

  /// Queues what there is to do for the piece's destinations on this device and returns. `data` in
  /// host memory, and free again once `copied` has passed. Throws what broke an earlier one.
  void submit(const LoadPiece& piece, const std::byte* data, Event& copied);

  /// Waits for all of it; throws what broke it.
  void finish();

 private:
  struct Half {
    DeviceBuffer memory;
    std::unique_ptr<Event> filled, emptied;
  };
  void pack(const LoadPiece& piece, const LoadDestination& to, const void* from);

  Device& device_;
  std::mutex mutex_;
  std::array<Half, 2> halves_;
  size_t next_ = 0;
  // All packing goes over one stream: the rows of a panel may come from two tensors.
  std::unique_ptr<Stream> copy_, pack_;
};

/// Device memory that loading takes on such a device beside the weights, and what a piece may have
/// there. Plans count it among what is fixed. 0 where the host writes weights itself.
uint64_t load_staging_bytes(const DeviceInfo& device);
uint64_t load_piece_bytes(const DeviceInfo& device);

}  // namespace tessera
