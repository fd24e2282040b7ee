#pragma once

#include <array>

#include "device/device.h"
#include "tessera/precision.h"

namespace tessera {

/// What the matmul kernels reach on one device; 0 on a simulated one.
struct MatmulRates {
  /// Many rows (prefill), by the weights' precision; fp8 as bf16.
  std::array<double, kPrecisionCount> flops_per_s = {};
  double read_bytes_per_s = 0;  ///< one row (decode): the weights' bytes over the time

  double flops(Precision precision) const { return flops_per_s[static_cast<size_t>(precision)]; }
};

/// Times matmuls of a transformer's shapes on the device, all its threads, at its `speed`; takes
/// about 0.3 s on a full-speed device. Books 101 MiB of its memory meanwhile: measure before
/// loading, or on a device opened for it.
MatmulRates measure_matmul_rates(Device& device);

/// The same for one row with weights of `precision`: bytes of weights a second.
double measure_decode_rate(Device& device, Precision precision);

}  // namespace tessera
