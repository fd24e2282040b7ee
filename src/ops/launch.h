#pragma once

#include "device/cuda_device.h"
#include "device/cuda_stream.h"
#include "device/device.h"
#include "device/stream.h"
#include "device/work.h"
#include "tessera/error.h"

namespace tessera {

/// Queues one op on a stream of any kind of device: the only switch on the device's kind in this
/// folder. Both bodies are closures over views and numbers. `cpu` takes a WorkerPool; `cuda` takes
/// the queue that its kernels go to and is generic (`[=](auto& queue)`), so that a build without
/// CUDA never asks for the kernels.
template <typename CpuBody, typename CudaBody>
void launch(Stream& stream, const Cost& cost, const CpuBody& cpu,
            [[maybe_unused]] const CudaBody& cuda) {
  switch (stream.device().info().kind) {
    case DeviceKind::kVirtual:
    case DeviceKind::kSimulated:  // charges the cost, never calls the body
      stream.run(cost, Work(cpu));
      return;
    case DeviceKind::kCuda:
      if constexpr (kCudaBuilt) {
        static_cast<CudaStream&>(stream).launch(cuda);
        return;
      }
      throw Error({.where = stream.device().info().name,
                   .what = "this build of Tessera has no CUDA kernels"});
  }
}

}  // namespace tessera
