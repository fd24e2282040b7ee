#pragma once

#include <cstdint>
#include <memory>

#include "base/worker_pool.h"
#include "device/device.h"
#include "device/host.h"

namespace tessera {

/// Reads the same memory again and again, on all threads of a pool: what no kernel that must read
/// its weights can beat. Called from outside the pool, by one thread at a time.
class ReadProbe {
 public:
  /// `bytes` are taken at once and written, in pages like those of weights; they must be well above
  /// the last cache (uncached_bytes), or it is the cache that is measured. `pool` outlives this.
  /// Throws Error when there is less memory.
  ReadProbe(WorkerPool& pool, uint64_t bytes);

  /// Bytes per second of one pass over all of it.
  double pass();

 private:
  WorkerPool& pool_;
  uint64_t bytes_;
  std::unique_ptr<Device> memory_;
  DeviceBuffer buffer_;
};

/// Twice the last caches of the machine, between 256 MiB and a quarter of the memory that is free.
uint64_t uncached_bytes(const HostInfo& host);

/// The best of several passes. Takes about a fifth of a second.
double measure_read_bandwidth(WorkerPool& pool, uint64_t bytes);

}  // namespace tessera
