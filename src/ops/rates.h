#pragma once

#include <array>

#include "device/device.h"
#include "tessera/kv_format.h"
#include "tessera/precision.h"

namespace tessera {

/// What the kernels reach on one device; all 0 on a simulated one.
struct KernelRates {
  std::array<double, kPrecisionCount> flops_per_s = {};  ///< matmuls of many rows, by the weights'
  std::array<double, kPrecisionCount> read_bytes_per_s = {};  ///< weights, in a matmul of one row
  double attention_flops_per_s = 0;                           ///< many rows
  /// Keys and values, in attention of one row over such pages; f32 counts as bf16.
  std::array<double, kKvFormatCount> kv_bytes_per_s = {};
  double values_per_s = 0;  ///< f32 read or written by norms and activations
  double op_s = 0;          ///< an op that has next to nothing to do
  bool undisturbed = true;  ///< the device's threads had their cores nearly all the time

  double flops(Precision precision) const { return flops_per_s[static_cast<size_t>(precision)]; }
  double kv(KvFormat format) const { return kv_bytes_per_s[static_cast<size_t>(format)]; }
  double read(Precision precision) const {
    return read_bytes_per_s[static_cast<size_t>(precision)];
  }
};

/// Times the ops of a transformer on the device, with all its threads and the instructions it may
/// use, at its `speed`; takes about half a second on a full-speed device. fp8 counts as bf16. A CPU
/// reads `weight_bytes`, which must be well above its last cache (uncached_bytes): what is measured
/// is to be the memory (the plain loops, which wait for no memory, read less). Books that and
/// kRatesBytes of the device's memory meanwhile, or kCudaRatesBytes: measure before loading, or on
/// a device opened for it.
KernelRates measure_kernel_rates(Device& device, uint64_t weight_bytes = uint64_t{96} << 20);
inline constexpr uint64_t kRatesBytes = uint64_t{6} << 20, kCudaRatesBytes = uint64_t{337} << 20;

}  // namespace tessera
