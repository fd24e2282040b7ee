#pragma once

#include "device/device.h"

namespace tessera {

/// What the matmul kernels reach on one device; 0 on a simulated one.
struct MatmulRates {
  double f32_flops_per_s = 0;   ///< many rows (prefill), f32 weights
  double bf16_flops_per_s = 0;  ///< many rows, bf16 weights
  double read_bytes_per_s = 0;  ///< one row (decode): the weights' bytes over the time
};

/// Times matmuls of a transformer's shapes on the device, all its threads, at its `speed`; takes
/// about 0.3 s on a full-speed device. Books 99 MiB of its memory meanwhile: measure before
/// loading, or on a device opened for it.
MatmulRates measure_matmul_rates(Device& device);

}  // namespace tessera
