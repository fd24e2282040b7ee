#pragma once

#include "device/device.h"
#include "device/stream.h"
#include "device/work.h"
#include "tessera/error.h"

namespace tessera {

/// Queues one op on a stream of any kind of device: the only switch on the device's kind in this
/// folder. `cpu` is a closure over views and numbers that takes a WorkerPool. The CUDA backend adds
/// its launcher as one more argument here.
template <typename CpuBody>
void launch(Stream& stream, const Cost& cost, const CpuBody& cpu) {
  switch (stream.device().info().kind) {
    case DeviceKind::kVirtual:
    case DeviceKind::kSimulated:  // charges the cost, never calls the body
      stream.run(cost, Work(cpu));
      return;
    case DeviceKind::kCuda:
      throw Error({.where = stream.device().info().name,
                   .what = "this build of Tessera has no CUDA kernels"});
  }
}

}  // namespace tessera
