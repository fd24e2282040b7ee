#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "device/device.h"
#include "ops/packed_matrix.h"

namespace tessera {

/// Owns a packed matrix on a device.
class Packed {
 public:
  /// Packs row-major f32 `values` [out, in].
  Packed(Device& device, DType dtype, int64_t out, int64_t in, const std::vector<float>& values)
      : buffer_(device.allocate(PackedMatrix::bytes(dtype, out, in), MemoryKind::kWeights, "test")),
        matrix_{buffer_.data(), &device, dtype, out, in} {
    pack_rows(matrix_, 0, out, values.data(), DType::kF32);
    pack_padding(matrix_);
  }

  const PackedMatrix& matrix() const { return matrix_; }

 private:
  DeviceBuffer buffer_;
  PackedMatrix matrix_;
};

}  // namespace tessera
