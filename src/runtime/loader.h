#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/model.h"
#include "runtime/tensor_store.h"
#include "tessera/cancel.h"

namespace tessera {

/// A unit and the device memory that it is loaded into (layout_of(unit, precision)).
struct LoadTarget {
  const UnitSpec* unit;
  Precision precision;  ///< how its matrices are stored
  Device* device;
  void* data;  ///< null on simulated devices: nothing is read for them
};

struct LoadOptions {
  uint64_t host_cap_bytes = 512ULL << 20;  ///< most that the staging buffers may take together
  int readers = 2;                         ///< threads that read and convert
};

struct LoadProgress {
  uint64_t done_bytes, total_bytes;  ///< of the checkpoint
  double elapsed_s;
};

struct LoadResult {
  uint64_t bytes_read = 0;     ///< of the checkpoint, each byte once
  uint64_t staging_bytes = 0;  ///< most that the staging buffers held at one time
  double seconds = 0;
};

/// Streams the targets' tensors from the checkpoint to their devices: readers take pieces of a few
/// MiB in the order of the files, convert them into the packed layout and never hold more than the
/// ring. A tensor that two targets need (tied embeddings) is read once.
///
///   progress   called about ten times a second from one reader at a time; may be empty
///
/// Every name, dtype and shape is checked before the first byte is read. Throws Error, Cancelled;
/// all readers have stopped by then.
LoadResult load_weights(const std::vector<LoadTarget>& targets, const TensorStore& tensors,
                        const LoadOptions& options,
                        const std::function<void(const LoadProgress&)>& progress,
                        const CancelFlag* cancel);

}  // namespace tessera
