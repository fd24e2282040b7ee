#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "device/device.h"
#include "ops/convert.h"
#include "ops/packed_matrix.h"
#include "tensor/arena.h"

namespace tessera {

/// What matrices can be stored in.
inline constexpr Precision kStored[] = {Precision::kF32,  Precision::kBF16, Precision::kInt8,
                                        Precision::kInt6, Precision::kInt5, Precision::kInt4};

/// Owns a packed matrix on a device of any kind, and what says the same in host memory.
class Packed {
 public:
  /// Packs row-major f32 `values` [out, in].
  Packed(Device& device, Precision precision, int64_t out, int64_t in,
         const std::vector<float>& values)
      : bytes_(PackedMatrix::bytes(precision, out, in)),
        buffer_(device.allocate(bytes_, MemoryKind::kWeights, "test")),
        matrix_{buffer_.data(), &device, precision, out, in},
        panels_(matrix_) {
    if (device.info().kind == DeviceKind::kCuda) {
      host_.reset(static_cast<std::byte*>(std::aligned_alloc(64, bytes_)));
      panels_.data = host_.get();
    }
    pack_padding(panels_);
    pack_rows(panels_, 0, out, values.data(), DType::kF32);
    if (!host_) return;
    if (panels_.format().integer)
      device.write(matrix_.data, {host_.get(), bytes_});
    else
      write_rows(device, values);
  }

  const PackedMatrix& matrix() const { return matrix_; }
  const PackedMatrix& panels() const { return panels_; }  ///< to be read by the host

 private:
  // f32 and bf16 on CUDA devices: [out][padded_in].
  void write_rows(Device& device, const std::vector<float>& values) {
    const DType dtype = matrix_.precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
    const int64_t row_bytes = matrix_.padded_in() * dtype_bytes(dtype);
    std::vector<std::byte> rows(bytes_);
    for (int64_t o = 0; o < matrix_.out; ++o)
      convert(values.data() + o * matrix_.in, DType::kF32, rows.data() + o * row_bytes, dtype,
              matrix_.in);
    device.write(matrix_.data, rows);
  }

  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  uint64_t bytes_;
  DeviceBuffer buffer_;
  PackedMatrix matrix_, panels_;
  std::unique_ptr<std::byte, Free> host_;
};

/// An arena with room for what matmul prepares of `rows` rows.
class Scratch {
 public:
  Scratch(Device& device, const PackedMatrix& w, int64_t rows)
      : buffer_(
            device.allocate(static_cast<uint64_t>(rows * (w.prepared_in() * 4 + w.groups() * 8)) +
                                3 * Arena::kAlignment,
                            MemoryKind::kArena, "test")),
        arena_(buffer_) {}

  Arena& arena() { return arena_; }

 private:
  DeviceBuffer buffer_;
  Arena arena_;
};

/// Weight (o, i) as the layout of packed_matrix.h says, one at a time.
inline double packed_weight(const PackedMatrix& w, int64_t o, int64_t i) {
  const auto* panel = static_cast<const uint8_t*>(w.data) + o / 16 * w.panel_bytes();
  const int64_t row = o % 16;
  if (w.precision == Precision::kF32) return reinterpret_cast<const float*>(panel)[i * 16 + row];
  if (w.precision == Precision::kBF16)
    return f32_from_bf16(reinterpret_cast<const uint16_t*>(panel)[i / 2 * 32 + row * 2 + i % 2]);
  const int bits = w.format().bits;
  const int64_t group = i / w.format().group, first = group * w.format().group, j = i - first;
  const int64_t n = std::min(w.format().group, w.padded_in() - first);
  const double scale = f32_from_bf16(reinterpret_cast<const uint16_t*>(panel)[group * 16 + row]);
  const uint8_t* codes = panel + w.scale_bytes() + first * 16 * bits / 8;
  int code = 0;
  if (bits == 8) {
    code = codes[j / 4 * 64 + row * 4 + j % 4];
  } else {
    code = codes[j / 8 * 64 + row * 4 + j % 4] >> (j % 8 < 4 ? 0 : 4) & 15;
    for (int bit = 4; bit < bits; ++bit) {
      const uint8_t* plane = codes + n * 8 + (bit - 4) * n * 2;
      const int64_t at = j / 4 * 64 + row * 4 + j % 4;
      code |= (plane[at / 8] >> at % 8 & 1) << bit;
    }
  }
  return (code - (1 << (bits - 1))) * scale;
}

/// All of them, [out, padded_in].
inline std::vector<double> meaning(const PackedMatrix& w) {
  std::vector<double> values;
  for (int64_t o = 0; o < w.out; ++o)
    for (int64_t i = 0; i < w.padded_in(); ++i) values.push_back(packed_weight(w, o, i));
  return values;
}

/// A group's values as rotate() in quantise.h transforms them, without the division: butterflies in
/// f32, one after the other.
inline void rotate_group(std::vector<float>& group) {
  for (size_t first = 0; first < group.size();) {
    size_t block = 128;
    while (block > group.size() - first) block /= 2;
    for (size_t step = 1; step < block; step *= 2)
      for (size_t i = 0; i < block; ++i) {
        if ((i & step) != 0) continue;
        float &a = group[first + i], &b = group[first + i + step];
        const float sum = a + b, difference = a - b;
        a = sum;
        b = difference;
      }
    first += block;
  }
}

}  // namespace tessera
