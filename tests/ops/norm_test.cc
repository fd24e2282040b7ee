#include "ops/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/ops/op_device.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Each of 16 sums adds n / 16 squares one by one, off by sqrt(n / 16) 2^-24 in relative terms as
// roundings go both ways: 1e-6 for n = 7168, and the root halves it. The steps after that round
// four times. Allow 2e-6. A GPU's many short sums are off by less.
constexpr double kRel = 2e-6;

std::vector<double> rms_norm_in_double(const std::vector<float>& x, const std::vector<float>& w,
                                       double eps) {
  std::vector<double> out;
  for (size_t first = 0; first < x.size(); first += w.size()) {
    double sum = 0;
    for (size_t c = 0; c < w.size(); ++c) sum += double{x[first + c]} * double{x[first + c]};
    const double root = std::sqrt(sum / static_cast<double>(w.size()) + eps);
    for (size_t c = 0; c < w.size(); ++c) out.push_back(double{x[first + c]} / root * double{w[c]});
  }
  return out;
}

std::vector<double> layer_norm_in_double(const std::vector<float>& x, const std::vector<float>& w,
                                         const std::vector<float>& b, double eps) {
  std::vector<double> out;
  const auto n = static_cast<double>(w.size());
  for (size_t first = 0; first < x.size(); first += w.size()) {
    double mean = 0, variance = 0;
    for (size_t c = 0; c < w.size(); ++c) mean += double{x[first + c]} / n;
    for (size_t c = 0; c < w.size(); ++c) variance += std::pow(double{x[first + c]} - mean, 2) / n;
    const double root = std::sqrt(variance + eps);
    for (size_t c = 0; c < w.size(); ++c)
      out.push_back((double{x[first + c]} - mean) / root * double{w[c]} + double{b[c]});
  }
  return out;
}

using RmsNormOp = OpTest;
using LayerNormOp = OpTest;
using NormOps = OpTest;
INSTANTIATE_TEST_SUITE_P(, RmsNormOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, LayerNormOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, NormOps, testing::ValuesIn(op_targets()), target_name);

// Around a lane, a warp, what a block of threads reads at once; widths of models.
constexpr int64_t kCols[] = {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 1280, 2047, 2048, 2049, 7168};

TEST_P(RmsNormOp, MatchesTheFormula) {
  OpDevice device = open();
  for (const int64_t cols : kCols) {
    auto x = normal(3 * cols, 1), w = normal(cols, 2);
    std::vector<float> got(x.size());
    Tensor out = device.view(got, {3, cols});
    rms_norm(device.stream(), device.view(x, {3, cols}), device.view(w, {cols}), 1e-6F, out);
    device.wait();
    EXPECT_EQ(differs(got, rms_norm_in_double(x, w, 1e-6), kRel), "") << cols;
  }
}

TEST_P(LayerNormOp, MatchesTheFormula) {
  OpDevice device = open();
  for (const int64_t cols : kCols) {
    auto x = normal(3 * cols, 1), w = normal(cols, 2), b = normal(cols, 3);
    std::vector<float> got(x.size());
    Tensor out = device.view(got, {3, cols});
    layer_norm(device.stream(), device.view(x, {3, cols}), device.view(w, {cols}),
               device.view(b, {cols}), 1e-5F, out);
    device.wait();
    // x - mean and + bias may cancel: an absolute part, of numbers of about 1
    EXPECT_EQ(differs(got, layer_norm_in_double(x, w, b, 1e-5), kRel, 2e-6), "") << cols;
  }
}

TEST_P(LayerNormOp, ALargeMeanCostsNoDigits) {
  OpDevice device = open(1);
  const int64_t cols = 640;
  auto x = normal(cols, 1), w = normal(cols, 2), b = normal(cols, 3);
  for (float& v : x) v = 1000 + std::round(v * 64) / 64;  // exact in f32
  std::vector<float> got(x.size());
  Tensor out = device.view(got, {1, cols});
  layer_norm(device.stream(), device.view(x, {1, cols}), device.view(w, {cols}),
             device.view(b, {cols}), 1e-5F, out);
  device.wait();
  // The mean is off by up to 2^-14 (the step of an f32 at 1000); a one-pass variance, the
  // difference of two sums near 10^6, would be off by a tenth.
  EXPECT_EQ(differs(got, layer_norm_in_double(x, w, b, 1e-5), 1e-5, 3e-4), "");
}

TEST_P(NormOps, ARowsBitsDoNotDependOnItsPlaceAlignmentOrTheThreads) {
  const int64_t rows = 9;
  for (const int64_t cols : {83, 2100}) {
    auto x = normal(rows * cols, 1), w = normal(cols, 2), b = normal(cols, 3);
    std::vector<float> rms(x.size()), layer(x.size());
    {
      OpDevice device = open(1);
      for (int64_t r = 0; r < rows; ++r) {
        const Tensor row = device.view(x, {rows, cols}).slice_rows(r, 1);
        Tensor rms_row = device.view(rms, {rows, cols}).slice_rows(r, 1);
        Tensor layer_row = device.view(layer, {rows, cols}).slice_rows(r, 1);
        rms_norm(device.stream(), row, device.view(w, {cols}), 1e-5F, rms_row);
        layer_norm(device.stream(), row, device.view(w, {cols}), device.view(b, {cols}), 1e-5F,
                   layer_row);
      }
      device.wait();
    }
    for (int threads = 1; threads <= (cuda() ? 1 : 4); ++threads) {
      OpDevice device = open(threads);
      auto in_place = x;
      Tensor view = device.view(in_place, {rows, cols});
      rms_norm(device.stream(), view, device.view(w, {cols}), 1e-5F, view);
      device.wait();
      EXPECT_EQ(bits_differ(in_place, rms), "") << cols;
      in_place = x;
      view = device.view(in_place, {rows, cols});
      layer_norm(device.stream(), view, device.view(w, {cols}), device.view(b, {cols}), 1e-5F,
                 view);
      device.wait();
      EXPECT_EQ(bits_differ(in_place, layer), "") << cols;
    }
  }
}

TEST_P(NormOps, TakeStridedRowsAndKeepNanInItsRow) {
  OpDevice device = open(1);
  auto x = normal(3 * 20, 1), w = normal(17, 2), b = normal(17, 3);
  x[20 + 5] = NAN;
  std::vector<float> got(3 * 20, 99);
  const auto in = [&] { return device.view(x, {3, 20}).slice_cols(2, 17); };
  Tensor out = device.view(got, {3, 20}).slice_cols(1, 17);
  rms_norm(device.stream(), in(), device.view(w, {17}), 0, out);
  device.wait();
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t row = i / 20, col = i % 20;
    if (col < 1 || col >= 18)
      EXPECT_EQ(got[i], 99);
    else
      EXPECT_EQ(std::isnan(got[i]), row == 1) << i;
  }
  out = device.view(got, {3, 20}).slice_cols(1, 17);
  layer_norm(device.stream(), in(), device.view(w, {17}), device.view(b, {17}), 0, out);
  device.wait();
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t row = i / 20, col = i % 20;
    if (col < 1 || col >= 18) continue;
    EXPECT_EQ(std::isnan(got[i]), row == 1) << i;
  }
}

TEST(Norms, HaveTheSameBitsOnEveryInstructionSet) {
  for (const int64_t cols : kCols) {
    auto x = normal(3 * cols, 1), w = normal(cols, 2), b = normal(cols, 3);
    std::vector<float> want;
    for (const Isa isa : isas()) {
      Cpu cpu(1, isa);
      std::vector<float> got(2 * x.size());
      Tensor rms = cpu.view(got, {6, cols}).slice_rows(0, 3);
      Tensor layer = cpu.view(got, {6, cols}).slice_rows(3, 3);
      rms_norm(cpu.stream(), cpu.view(x, {3, cols}), cpu.view(w, {cols}), 1e-5F, rms);
      layer_norm(cpu.stream(), cpu.view(x, {3, cols}), cpu.view(w, {cols}), cpu.view(b, {cols}),
                 1e-5F, layer);
      cpu.wait();
      if (want.empty()) want = got;
      EXPECT_EQ(bits_differ(got, want), "") << isa_name(isa) << ", " << cols;
    }
  }
}

TEST(Norms, NameTheArgumentThatIsWrong) {
  Cpu cpu;
  auto x = normal(12, 1), w = normal(5, 2);
  Tensor out = cpu.view(x, {2, 6});
  EXPECT_EQ(error_of([&] { rms_norm(cpu.stream(), out, cpu.view(w, {5}), 0, out); }),
            "rms_norm: weight: expected f32 [6], found f32 [5]");
  EXPECT_EQ(
      error_of([&] { layer_norm(cpu.stream(), out, cpu.view(x, {6}), cpu.view(w, {5}), 0, out); }),
      "layer_norm: bias: expected f32 [6], found f32 [5]");
}

}  // namespace
}  // namespace tessera
