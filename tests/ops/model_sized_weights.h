#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "ops/convert.h"
#include "ops/matmul.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/differs.h"

namespace tessera {

/// Weights of random codes and scales, made in place of packing some that are given: matrices as
/// large as a model's.
class ModelSizedWeights {
 public:
  ModelSizedWeights(Device& device, Precision precision, int64_t out, int64_t in)
      : panels_{nullptr, &device, precision, out, in}, bytes_(panels_.bytes() / 2) {
    uint64_t state = 1;
    for (uint16_t& two : bytes_) {
      state = state * 6364136223846793005 + 1442695040888963407;
      // bf16 of either sign in [2^-7, 2^-5): of weights, and of scales
      two = static_cast<uint16_t>((state >> 48 & 0x80ff) | 0x3c00);
      if (precision != Precision::kBF16) two = static_cast<uint16_t>(state >> 32);
    }
    panels_.data = bytes_.data();
    if (panels_.format().integer)
      for (int64_t panel = 0; panel < panels_.panels(); ++panel) {
        const auto scales =
            std::span(bytes_).subspan(static_cast<size_t>(panel * panels_.panel_bytes() / 2),
                                      static_cast<size_t>(panels_.groups() * kPanelRows));
        for (uint16_t& scale : scales) scale = static_cast<uint16_t>((scale & 0x80ff) | 0x3c00);
      }
    buffer_ = device.allocate(panels_.bytes(), MemoryKind::kWeights, "test");
    device.write(buffer_.data(), std::as_bytes(std::span(bytes_)));
    matrix_ = panels_;
    matrix_.data = buffer_.data();
  }

  const PackedMatrix& matrix() const { return matrix_; }

  double weight(int64_t o, int64_t i) const {
    if (panels_.precision != Precision::kBF16) return packed_weight(panels_, o, i);
    return f32_from_bf16(bytes_[static_cast<size_t>(o * panels_.padded_in() + i)]);
  }

 private:
  PackedMatrix panels_, matrix_;
  std::vector<uint16_t> bytes_;
  DeviceBuffer buffer_;
};

/// Some outputs, from all over the matrix, against the formula, whose terms add up to far more than
/// what is left of them. `in` is a multiple of 128.
///   cut_offs   of the sum of all terms, one after another; own kernels make next to none
inline void expect_matmul_formula(OpDevice& device, Precision precision, int64_t rows, int64_t in,
                                  int64_t out, double cut_offs = 0) {
  const ModelSizedWeights w(device.device(), precision, out, in);
  Scratch scratch(device.device(), w.matrix(), rows);
  auto x = normal(rows * in, 1);
  std::vector<float> y(static_cast<size_t>(rows * out));
  Tensor to = device.view(y, {rows, out});
  matmul(device.stream(), scratch.arena(), device.view(x, {rows, in}), w.matrix(), {}, to);
  device.wait();

  std::vector<double> as_read;
  for (int64_t first = 0; first < rows * in; first += 128) {
    std::vector<float> group(x.begin() + first, x.begin() + first + 128);
    if (precision == Precision::kInt8) rotate_group(group);
    const size_t share = precision == Precision::kInt8 ? 128 : 64;  // that has a scale
    for (size_t i = 0; i < group.size(); ++i) {
      double as_code = f32_from_bf16(bf16_from_f32(group[i]));
      if (precision != Precision::kBF16) {
        const auto begin = group.begin() + static_cast<std::ptrdiff_t>(i / share * share);
        float most = 0;
        for (auto at = begin; at != begin + static_cast<std::ptrdiff_t>(share); ++at)
          most = std::max(most, std::fabs(*at));
        as_code = std::nearbyint(group[i] * (127 / most)) * (most / 127);
      }
      as_read.push_back(as_code);
    }
  }
  std::vector<float> got;
  std::vector<double> want;
  double sizes = 0;  // of all terms of an output, about
  for (int64_t o = 0; o < out; o += out / 97)
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0, size = 0;
      for (int64_t i = 0; i < in; ++i) {
        const double term = as_read[static_cast<size_t>(r * in + i)] * w.weight(o, i);
        sum += term;
        size += std::fabs(term);
      }
      got.push_back(y[static_cast<size_t>(r * out + o)]);
      want.push_back(sum);
      sizes = std::max(sizes, size);
    }
  // Sums of a group are cut off 8 times, those of the groups rounded in / 128 times; all of them
  // are of a hundredth of the terms' size, as is the sum of all: and a cut loses up to 2^-23 of it.
  EXPECT_EQ(differs(got, want, 0, sizes * (0x1p-24 + cut_offs * 0.01 * 0x1p-23)), "")
      << rows << " x " << in << " x " << out << " " << precision_name(precision);
}

}  // namespace tessera
