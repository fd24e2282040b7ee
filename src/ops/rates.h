#pragma once

#include <array>

#include "base/matmul_times.h"
#include "base/value_kind.h"
#include "device/device.h"
#include "tessera/kv_format.h"
#include "tessera/precision.h"

namespace tessera {

/// What the kernels reach on one device; all 0 on a simulated one.
struct KernelRates {
  MatmulTimes matmul_times;  ///< by rows, widths and the weights' precision
  /// Two of these times as rates: of the widest matrix with the most rows, and with one.
  std::array<double, kPrecisionCount> flops_per_s = {}, read_bytes_per_s = {};
  double attention_s = 0;            ///< of attention that has next to nothing to do
  double attention_flops_per_s = 0;  ///< many rows
  double query_value_s = 0;          ///< of each number of a query, whatever its context
  double score_s = 0;                ///< of each head's query with a key, beside its FLOP: softmax
  /// Keys and values, in attention of one row over such pages; f32 counts as bf16.
  std::array<double, kKvFormatCount> kv_bytes_per_s = {};
  std::array<double, kValueKindCount> values_per_s = {};  ///< f32 read or written, by ValueKind
  double op_s = 0;          ///< an op of one row that has next to nothing to do
  double row_s = 0;         ///< each row of such an op
  bool undisturbed = true;  ///< the device's threads had their cores nearly all the time

  double flops(Precision precision) const { return flops_per_s[static_cast<size_t>(precision)]; }
  double kv(KvFormat format) const { return kv_bytes_per_s[static_cast<size_t>(format)]; }
  double read(Precision precision) const {
    return read_bytes_per_s[static_cast<size_t>(precision)];
  }
};

/// Times the ops of a transformer on the device, with all its threads and the instructions it may
/// use, at its `speed`; takes two or three seconds on a full-speed device. fp8 counts as bf16. A
/// CPU reads `weight_bytes`, which must be well above its last cache (uncached_bytes): what is
/// measured is to be the memory (the plain loops, which wait for no memory, read less). Books that
/// and kRatesBytes of the device's memory meanwhile, or kCudaRatesBytes: measure before loading, or
/// on a device opened for it.
KernelRates measure_kernel_rates(Device& device, uint64_t weight_bytes = uint64_t{96} << 20);
inline constexpr uint64_t kRatesBytes = uint64_t{20} << 20, kCudaRatesBytes = uint64_t{362} << 20;

}  // namespace tessera
