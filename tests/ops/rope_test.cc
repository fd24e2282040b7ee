#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/ops/cpu.h"
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

TEST(Rope, MatchesTheFormulaUpToLargePositions) {
  std::vector<int32_t> positions = {0, 1, 17, 4095, 199999};
  for (const int64_t head_dim : {2, 16, 18, 80, 128, 300})
    for (const int64_t heads : {1, 9}) {
      Cpu cpu(2);
      auto x = normal(5 * heads * head_dim, 1);
      auto inv_freq = frequencies(head_dim, 5e6);
      const auto want = rope_in_double(x, positions, heads, head_dim, inv_freq);
      Tensor view = cpu.view(x, {5, heads * head_dim});
      rope(cpu.stream(), view, cpu.view(positions, {5}), heads, head_dim,
           cpu.view(inv_freq, {head_dim / 2}));
      cpu.wait();
      // Sine, cosine, two products and a sum, each rounded once: 4 x 6e-8 of numbers up to 5.
      EXPECT_EQ(differs(x, want, 0, 1e-6), "") << head_dim;
    }
}

TEST(Rope, TurnsOnlyItsColumns) {
  Cpu cpu;
  auto x = normal(2 * 50, 1);
  const auto before = x;
  std::vector<int32_t> positions = {3, 4};
  auto inv_freq = frequencies(8, 1e4);
  Tensor view = cpu.view(x, {2, 50}).slice_cols(10, 24);
  rope(cpu.stream(), view, cpu.view(positions, {2}), 3, 8, cpu.view(inv_freq, {4}));
  cpu.wait();
  for (size_t i = 0; i < x.size(); ++i) {
    const bool own = i % 50 >= 10 && i % 50 < 34;
    EXPECT_EQ(x[i] != before[i], own) << i;
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
