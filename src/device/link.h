#pragma once

#include <cstdint>

#include "device/device.h"

namespace tessera {

/// What joins two devices, or a device and host memory (null): the smaller bandwidth of those that
/// are set (0: none is, as fast as memory) and the larger latency. Within one device there is no
/// link: both are 0.
struct Link {
  double bytes_per_s = 0;
  double latency_s = 0;

  double time_s(uint64_t bytes) const {
    return latency_s + (bytes_per_s > 0 ? static_cast<double>(bytes) / bytes_per_s : 0);
  }
};

Link link_between(const Device* a, const Device* b);

}  // namespace tessera
