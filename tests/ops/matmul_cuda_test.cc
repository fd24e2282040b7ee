#include <gtest/gtest.h>

#include <cmath>

#include "ops/convert.h"
#include "ops/matmul.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/differs.h"

// What holds for matmul on GPUs beyond the properties of matmul_test.cc.

namespace tessera {
namespace {

class MatmulCuda : public OpTest {};
INSTANTIATE_TEST_SUITE_P(, MatmulCuda, testing::Values(OpTarget{.kind = DeviceKind::kCuda}),
                         target_name);

// The last `rows` of `all` rows of x, with bias and residual.
std::vector<float> last_rows(OpDevice& device, const PackedMatrix& w, int64_t rows,
                             const std::vector<float>& all, std::vector<float>& bias) {
  std::vector<float> x(all.end() - rows * w.in, all.end());
  std::vector<float> y(static_cast<size_t>(rows * w.out), 0.5F);
  Scratch scratch(device.device(), w, rows);
  Tensor out = device.view(y, {rows, w.out});
  const Tensor bias_view = device.view(bias, {w.out});
  matmul(device.stream(), scratch.arena(), device.view(x, {rows, w.in}), w,
         {.bias = &bias_view, .add_to_out = true}, out);
  device.wait();
  return y;
}

// A row's bits come from that row and the weights alone: not from the rows beside it, which choose
// the kernel, the width of its tiles and where the row lies in them.
void expect_same_bits(OpDevice& device, Precision precision, int64_t in, int64_t out,
                      std::initializer_list<int64_t> row_counts) {
  const Packed w(device.device(), precision, out, in, normal(out * in, 2));
  const int64_t most = std::max(row_counts);
  auto x = normal(most * in, 1), bias = normal(out, 3);
  const std::vector<float> all = last_rows(device, w.matrix(), most, x, bias);
  for (const int64_t rows : row_counts) {
    const std::vector<float> got = last_rows(device, w.matrix(), rows, x, bias);
    const std::vector<float> want(all.end() - rows * out, all.end());
    EXPECT_EQ(bits_differ(got, want), "") << rows << " of " << most << " rows, " << in << " x "
                                          << out << " " << precision_name(precision);
  }
}

TEST_P(MatmulCuda, SameBitsInAnyCompany) {
  OpDevice device = open();
  for (const Precision precision : kStored) {
    expect_same_bits(device, precision, 1156, 83, {1, 5, 8, 9, 16, 17, 33, 64, 65, 200});
    expect_same_bits(device, precision, 50, 600, {1, 4, 16, 17, 32, 64, 200});
  }
}

// Enough outputs that a block takes 64 of them; a block of many rows, eight warps.
TEST_P(MatmulCuda, SameBitsWithWideBlocks) {
  OpDevice device = open();
  for (const Precision precision :
       {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
    expect_same_bits(device, precision, 80, 20000, {1, 7, 16, 40});
}

// f32 weights are for comparisons; sums of integers are exact on both.
TEST_P(MatmulCuda, F32AndIntegersHaveTheCpusBits) {
  OpDevice device = open();
  Cpu cpu;
  for (const Precision precision : kStored) {
    if (precision == Precision::kBF16) continue;  // a tensor core's order is its own
    for (const auto& [in, out] : {std::pair{777, 130}, {1100, 30}, {33, 50}}) {
      const auto values = normal(out * in, 2);
      const Packed on_gpu(device.device(), precision, out, in, values);
      const Packed on_cpu(cpu.device(), precision, out, in, values);
      for (const int64_t rows : {1, 8, 9, 16, 17, 64, 70}) {
        auto x = normal(rows * in, 1), bias = normal(out, 3);
        EXPECT_EQ(bits_differ(last_rows(device, on_gpu.matrix(), rows, x, bias),
                              last_rows(cpu, on_cpu.matrix(), rows, x, bias)),
                  "")
            << rows << " x " << in << " x " << out << " " << precision_name(precision);
      }
    }
  }
}

// Inputs that do not fill a group, a block or a row's 16 bytes.
TEST_P(MatmulCuda, SameBitsWithEveryEndOfTheInputs) {
  OpDevice device = open();
  for (const Precision precision : kStored)
    for (int64_t in = 1; in <= 260; in += in < 140 ? 9 : 17)
      expect_same_bits(device, precision, in, 40, {3, 20});
}

/// Weights of random codes and scales, made in place of packing some that are given: matrices as
/// large as a model's.
class RandomWeights {
 public:
  RandomWeights(Device& device, Precision precision, int64_t out, int64_t in)
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

// The sizes of Yi-34B's layers and head. Some outputs, from all over the matrix, against the
// formula, whose terms add up to far more than what is left of them.
void expect_formula(OpDevice& device, Precision precision, int64_t rows, int64_t in, int64_t out) {
  const RandomWeights w(device.device(), precision, out, in);
  Scratch scratch(device.device(), w.matrix(), rows);
  auto x = normal(rows * in, 1);
  std::vector<float> y(static_cast<size_t>(rows * out));
  Tensor to = device.view(y, {rows, out});
  matmul(device.stream(), scratch.arena(), device.view(x, {rows, in}), w.matrix(), {}, to);
  device.wait();

  std::vector<double> as_read;
  for (int64_t first = 0; first < rows * in; first += 128) {  // `in` is a multiple
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
  // are of a hundredth of the terms' size.
  EXPECT_EQ(differs(got, want, 0, sizes * 0x1p-24), "")
      << rows << " x " << in << " x " << out << " " << precision_name(precision);
}

TEST_P(MatmulCuda, MatchesTheFormulaAtTheSizesOfYi34B) {
  OpDevice device = open();
  expect_formula(device, Precision::kBF16, 2, 7168, 7168);
  expect_formula(device, Precision::kInt8, 1, 7168, 20480);
  expect_formula(device, Precision::kInt4, 1, 20480, 7168);
  expect_formula(device, Precision::kBF16, 20, 20480, 200);
  expect_formula(device, Precision::kInt8, 20, 20480, 200);
  expect_formula(device, Precision::kInt6, 5, 20480, 200);
  expect_formula(device, Precision::kInt5, 5, 20480, 200);
  expect_formula(device, Precision::kInt4, 70, 7168, 200);
}

TEST_P(MatmulCuda, MatchesTheFormulaAtTheSizeOfYi34BsHead) {
  OpDevice device = open();
  expect_formula(device, Precision::kInt8, 1, 7168, 64000);
}

}  // namespace
}  // namespace tessera
