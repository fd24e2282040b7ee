#include <gtest/gtest.h>

#include <optional>

#include "ops/convert.h"
#include "ops/matmul.h"
#include "tessera/error.h"
#include "tests/ops/model_sized_weights.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/differs.h"

// matmul on a GPU whose many rows of bf16 go to cuBLASLt, which on emulated GPUs has a stand-in.

namespace tessera {
namespace {

class MatmulCublasLt : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    own_.emplace(open_with_library(false));
    try {
      device_.emplace(open_with_library(true));
    } catch (const Error& e) {
      if (kCudaEmulated) throw;  // its library is always there
      GTEST_SKIP() << e.what();  // a GPU, and no library for it
    }
  }

  // Budgets of their share of an emulated GPU's GiB.
  static OpDevice open_with_library(bool cublaslt) {
    if constexpr (kCudaBuilt)
      return OpDevice(open_cuda_device(0, {.name = "cuda:0",
                                           .kind = DeviceKind::kCuda,
                                           .budget_bytes = uint64_t{1} << 29,
                                           .cublaslt = cublaslt}));
    throw Error({.what = "no CUDA"});
  }

  OpDevice& with_library() { return *device_; }
  OpDevice& with_own_kernels() { return *own_; }

 private:
  std::optional<OpDevice> device_, own_;
};
INSTANTIATE_TEST_SUITE_P(, MatmulCublasLt, testing::Values(OpTarget{.kind = DeviceKind::kCuda}),
                         target_name);

struct Product {
  int64_t rows, in, out;
  Precision precision = Precision::kBF16;
  bool bias = false, residual = false;
  int64_t first_col = 0, y_stride = 0;  // of y in its memory; 0: as wide as it is
};

struct ProductOperands {
  explicit ProductOperands(const Product& p)
      : x(normal(p.rows * p.in, 1)),
        w(normal(p.out * p.in, 2)),
        bias(normal(p.out, 3)),
        y(normal(p.rows * std::max(p.y_stride, p.out), 4)) {}
  std::vector<float> x, w, bias, y;
};

// What then is in the memory of y.
std::vector<float> multiplied(OpDevice& device, const Product& p) {
  ProductOperands o(p);
  const Packed w(device.device(), p.precision, p.out, p.in, o.w);
  Scratch scratch(device.device(), w.matrix(), p.rows);
  Tensor y = device.view(o.y, {p.rows, std::max(p.y_stride, p.out)}).slice_cols(p.first_col, p.out);
  const Tensor bias = device.view(o.bias, {p.out});
  matmul(device.stream(), scratch.arena(), device.view(o.x, {p.rows, p.in}), w.matrix(),
         {.bias = p.bias ? &bias : nullptr, .add_to_out = p.residual}, y);
  device.wait();
  return o.y;
}

// The same by the formula, of x and w in bf16.
std::vector<double> in_double(const Product& p) {
  const ProductOperands o(p);
  const auto as_bf16 = [](float v) { return double{f32_from_bf16(bf16_from_f32(v))}; };
  std::vector<double> y(o.y.begin(), o.y.end());
  const int64_t stride = std::max(p.y_stride, p.out);
  for (int64_t r = 0; r < p.rows; ++r)
    for (int64_t col = 0; col < p.out; ++col) {
      double sum = p.bias ? double{o.bias[static_cast<size_t>(col)]} : 0;
      for (int64_t i = 0; i < p.in; ++i)
        sum += as_bf16(o.x[static_cast<size_t>(r * p.in + i)]) *
               as_bf16(o.w[static_cast<size_t>(col * p.in + i)]);
      double& to = y[static_cast<size_t>(r * stride + p.first_col + col)];
      to = p.residual ? sum + to : sum;
    }
  return y;
}

// A tensor core cuts off the running sum at every 16 products, as matmul_test.cc has it; the
// library does not start anew as own kernels do.
TEST_P(MatmulCublasLt, MatchesTheFormulaAtTheSizeOfYi34B) {
  for (const auto& [rows, out] : {std::pair<int64_t, int64_t>{20, 7168}, {64, 200}, {70, 200}})
    expect_matmul_formula(with_library(), Precision::kBF16, rows, 7168, out, 7168 / 16.0);
}

TEST_P(MatmulCublasLt, AddsBiasAndResidualIntoAnyRows) {
  for (const bool bias : {false, true})
    for (const bool residual : {false, true}) {
      const Product p = {.rows = 30,
                         .in = 1160,
                         .out = 88,
                         .bias = bias,
                         .residual = residual,
                         .first_col = 4,
                         .y_stride = 104};
      // 1160 products, of which the running sum grows like the root: see matmul_test.cc.
      EXPECT_EQ(differs(multiplied(with_library(), p), in_double(p), 0x1p-22, 4 * 1160 * 0x1p-24),
                "")
          << bias << residual;
    }
}

TEST_P(MatmulCublasLt, IsTheSameEachTimeAndNotOwnKernels) {
  const Product p = {.rows = 17, .in = 7168, .out = 88};
  const std::vector<float> first = multiplied(with_library(), p);
  EXPECT_EQ(bits_differ(multiplied(with_library(), p), first), "");
  EXPECT_NE(bits_differ(multiplied(with_own_kernels(), p), first), "");
}

TEST_P(MatmulCublasLt, LeavesFewRowsAndOtherPrecisionsToOwnKernels) {
  for (const Product& p : {Product{.rows = 1, .in = 1160, .out = 88},
                           {.rows = 8, .in = 1160, .out = 88},
                           {.rows = 16, .in = 1160, .out = 88},
                           {.rows = 40, .in = 1160, .out = 88, .precision = Precision::kF32},
                           {.rows = 40, .in = 1160, .out = 88, .precision = Precision::kInt8},
                           {.rows = 40, .in = 1160, .out = 88, .precision = Precision::kInt4}})
    EXPECT_EQ(bits_differ(multiplied(with_library(), p), multiplied(with_own_kernels(), p)), "")
        << p.rows << " " << precision_name(p.precision);
}

// Rows of w, of y, or all of y, that do not start where the library's fast kernels can read them.
TEST_P(MatmulCublasLt, LeavesWhatIsNotAlignedToOwnKernels) {
  for (const Product& p : {Product{.rows = 20, .in = 1156, .out = 88},
                           {.rows = 20, .in = 1157, .out = 88},
                           {.rows = 20, .in = 1160, .out = 83},
                           {.rows = 20, .in = 1160, .out = 88, .first_col = 1, .y_stride = 104}}) {
    const std::vector<float> got = multiplied(with_library(), p);
    EXPECT_EQ(bits_differ(got, multiplied(with_own_kernels(), p)), "") << p.in << " x " << p.out;
    EXPECT_EQ(differs(got, in_double(p), 0x1p-22, 4 * 1160 * 0x1p-24), "");
  }
}

// Inputs are padded with zeros to a row of w that the library can read.
TEST_P(MatmulCublasLt, TakesPaddedInputs) {
  const Product p = {.rows = 20, .in = 1159, .out = 88};
  const std::vector<float> got = multiplied(with_library(), p);
  EXPECT_EQ(differs(got, in_double(p), 0x1p-22, 4 * 1160 * 0x1p-24), "");
  EXPECT_NE(bits_differ(multiplied(with_own_kernels(), p), got), "");
}

TEST_P(MatmulCublasLt, ReachesOnlyItsOwnRowsAndColumns) {
  const Product p = {.rows = 33, .in = 64, .out = 40, .first_col = 8, .y_stride = 56};
  const std::vector<float> before = ProductOperands(p).y, got = multiplied(with_library(), p);
  for (int64_t r = 0; r < p.rows; ++r)
    for (int64_t col = 0; col < p.y_stride; ++col) {
      const auto at = static_cast<size_t>(r * p.y_stride + col);
      if (col >= p.first_col && col < p.first_col + p.out) continue;
      EXPECT_EQ(got[at], before[at]) << "written outside at row " << r << ", column " << col;
    }
}

}  // namespace
}  // namespace tessera
