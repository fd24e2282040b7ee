#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/ops/op_device.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

std::vector<float> frequencies(int64_t head_dim, double theta) {
  std::vector<float> inv_freq;
  for (int64_t i = 0; i < head_dim; i += 2)
    inv_freq.push_back(static_cast<float>(
        std::pow(theta, -static_cast<double>(i) / static_cast<double>(head_dim))));
  return inv_freq;
}

// The formula in double, with the angle rounded to f32 as the op's contract says.
std::vector<double> rope_in_double(const std::vector<float>& x,
                                   const std::vector<int32_t>& positions, int64_t heads,
                                   int64_t head_dim, const std::vector<float>& inv_freq) {
  std::vector<double> out(x.begin(), x.end());
  const auto half = static_cast<size_t>(head_dim / 2);
  for (size_t r = 0; r < positions.size(); ++r)
    for (size_t h = 0; h < static_cast<size_t>(heads); ++h)
      for (size_t i = 0; i < half; ++i) {
        const size_t low = (r * static_cast<size_t>(heads) + h) * 2 * half + i, high = low + half;
        const double angle = double{static_cast<float>(positions[r]) * inv_freq[i]};
        const double a = double{x[low]}, b = double{x[high]};
        out[low] = a * std::cos(angle) - b * std::sin(angle);
        out[high] = b * std::cos(angle) + a * std::sin(angle);
      }
  return out;
}

using RopeOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, RopeOp, testing::ValuesIn(op_targets()), target_name);

TEST_P(RopeOp, MatchesTheFormulaUpToLargePositions) {
  std::vector<int32_t> positions = {0, 1, 17, 4095, 199999, (1 << 24) - 1};
  const auto rows = static_cast<int64_t>(positions.size());
  for (const int64_t head_dim : {2, 6, 16, 18, 80, 128, 300})
    for (const int64_t heads : {1, 9, 64}) {  // 64: 56 of queries and 8 of keys
      OpDevice device = open();
      auto x = normal(rows * heads * head_dim, 1);
      auto inv_freq = frequencies(head_dim, 5e6);
      const auto want = rope_in_double(x, positions, heads, head_dim, inv_freq);
      Tensor view = device.view(x, {rows, heads * head_dim});
      rope(device.stream(), view, device.view(positions, {rows}), heads, head_dim,
           device.view(inv_freq, {head_dim / 2}));
      device.wait();
      // Sine, cosine, two products and a sum, each rounded once: 4 x 6e-8 of numbers up to 5; a
      // GPU's sine and cosine are off by two units.
      EXPECT_EQ(differs(x, want, 0, 1e-6), "") << head_dim << ", " << heads;
    }
}

TEST_P(RopeOp, TurnsOnlyItsColumns) {
  OpDevice device = open(1);
  auto x = normal(2 * 50, 1);
  const auto before = x;
  std::vector<int32_t> positions = {3, 4};
  auto inv_freq = frequencies(8, 1e4);
  Tensor view = device.view(x, {2, 50}).slice_cols(10, 24);
  rope(device.stream(), view, device.view(positions, {2}), 3, 8, device.view(inv_freq, {4}));
  device.wait();
  for (size_t i = 0; i < x.size(); ++i) {
    const bool own = i % 50 >= 10 && i % 50 < 34;
    EXPECT_EQ(x[i] != before[i], own) << i;
  }
}

TEST_P(RopeOp, ARowsBitsDoNotDependOnItsPlaceOrAlignment) {
  const int64_t rows = 5, heads = 9, head_dim = 136, width = heads * head_dim;
  OpDevice device = open();
  auto all = normal(rows * width, 1);
  auto inv_freq = frequencies(head_dim, 1e4);
  std::vector<int32_t> positions = {7, 0, 911, 40, 5};
  std::vector<float> wider(static_cast<size_t>(rows * (width + 3)));
  for (int64_t i = 0; i < rows * width; ++i)
    wider[static_cast<size_t>(i / width * (width + 3) + 1 + i % width)] =
        all[static_cast<size_t>(i)];
  Tensor dense = device.view(all, {rows, width});
  rope(device.stream(), dense, device.view(positions, {rows}), heads, head_dim,
       device.view(inv_freq, {head_dim / 2}));
  for (int64_t r = 0; r < rows; ++r) {
    Tensor row = device.view(wider, {rows, width + 3}).slice_cols(1, width).slice_rows(r, 1);
    Tensor position = device.view(positions, {rows}).slice_rows(r, 1);
    rope(device.stream(), row, position, heads, head_dim, device.view(inv_freq, {head_dim / 2}));
  }
  device.wait();
  std::vector<float> got;
  for (int64_t r = 0; r < rows; ++r) {
    const auto row = wider.begin() + r * (width + 3) + 1;
    got.insert(got.end(), row, row + width);
  }
  EXPECT_EQ(bits_differ(got, all), "");
}

TEST(Rope, HasTheSameBitsOnEveryInstructionSet) {
  std::vector<int32_t> positions = {0, 1, 4095, (1 << 24) - 1};
  auto inv_freq = frequencies(134, 5e6);
  const auto x = normal(4 * 3 * 134, 1);
  std::vector<float> want;
  for (const Isa isa : isas()) {
    Cpu cpu(1, isa);
    auto got = x;
    Tensor view = cpu.view(got, {4, 3 * 134});
    rope(cpu.stream(), view, cpu.view(positions, {4}), 3, 134, cpu.view(inv_freq, {67}));
    cpu.wait();
    if (want.empty()) want = got;
    EXPECT_EQ(bits_differ(got, want), "") << isa_name(isa);
  }
}

TEST(Rope, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  auto x = normal(24, 1), inv_freq = normal(4, 2);
  std::vector<int32_t> positions = {1, 2, 3};
  Tensor view = cpu.view(x, {3, 8});
  const auto call = [&](int64_t heads, int64_t dim) {
    return error_of([&] {
      rope(cpu.stream(), view, cpu.view(positions, {3}), heads, dim, cpu.view(inv_freq, {4}));
      cpu.wait();
    });
  };
  EXPECT_EQ(call(1, 8), "no error");
  EXPECT_EQ(call(1, 7), "rope: head_dim: expected an even number, found 7");
  EXPECT_EQ(call(3, 4), "rope: x: expected f32 [3, 12], found f32 [3, 8]");
  EXPECT_EQ(call(2, 4), "rope: inv_freq: expected f32 [2], found f32 [4]");
}

}  // namespace
}  // namespace tessera
