#include "ops/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/isa.h"
#include "ops/convert.h"
#include "tests/ops/op_device.h"

namespace tessera {
namespace {

struct Group {
  uint16_t scale;
  uint8_t codes[128] = {};
};

// One row's group, on a lane whose neighbours hold other numbers.
Group quantised(const float* values, int bits, int64_t lane = 3,
                decltype(quantise_plain)* function = quantise_plain) {
  const int64_t count = quantise_group(bits);
  alignas(64) float all[128 * 16];
  std::copy_n(normal(128 * 16, 99).begin(), 128 * 16, all);
  for (int64_t i = 0; i < count; ++i) all[i * 16 + lane] = values[i];
  alignas(64) uint8_t codes[128 * 16];
  uint16_t scales[16];
  function(all, bits, codes, scales);
  Group group{.scale = scales[lane]};
  for (int64_t i = 0; i < count; ++i) group.codes[i] = codes[i / 4 * 64 + lane * 4 + i % 4];
  return group;
}

// Sum of squared errors over that of the values, over many groups of Gaussian weights.
double relative_error(int bits) {
  const int64_t count = quantise_group(bits), groups = 2000;
  const auto values = normal(count * groups, 1);
  double error = 0, whole = 0;
  for (int64_t g = 0; g < groups; ++g) {
    alignas(64) float group[128];
    std::copy_n(values.data() + g * count, count, group);
    const Group q = quantised(group, bits);
    for (int64_t i = 0; i < count; ++i) {
      const double back = (q.codes[i] - (1 << (bits - 1))) * double{f32_from_bf16(q.scale)};
      error += (back - double{group[i]}) * (back - double{group[i]});
      whole += double{group[i]} * double{group[i]};
    }
  }
  return error / whole;
}

// (-1)^popcount(i & j) / n, in blocks of the powers of two that the inputs are the sum of.
TEST(Rotate, IsTheDefinitionInDouble) {
  for (const int64_t inputs : {16, 32, 48, 80, 112, 128}) {
    const auto values = normal(inputs * 16, 5);
    alignas(64) float plain[128 * 16], wide[128 * 16];
    std::ranges::copy(values, plain);
    std::ranges::copy(values, wide);
    rotate_plain(plain, inputs);
    rotate(wide, inputs);
    EXPECT_EQ(std::memcmp(plain, wide, static_cast<size_t>(inputs) * 16 * sizeof(float)), 0);
    for (int64_t first = 0; first < inputs;) {
      const auto n = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(inputs - first)));
      for (int64_t j = 0; j < n; ++j)
        for (int64_t row = 0; row < 16; ++row) {
          double sum = 0;
          for (int64_t i = 0; i < n; ++i)
            sum += (std::popcount(static_cast<uint64_t>(i & j)) % 2 == 0 ? 1 : -1) *
                   double{values[static_cast<size_t>((first + i) * 16 + row)]};
          EXPECT_NEAR(plain[(first + j) * 16 + row], sum / static_cast<double>(n), 1e-6);
        }
      first += n;
    }
  }
}

// The expected error of each format on Gaussian weights; the planner counts with these.
TEST(Quantise, ErrorOnGaussianWeights) {
  EXPECT_NEAR(relative_error(8), 4.2e-5, 2e-6);
  EXPECT_NEAR(relative_error(6), 5.6e-4, 4e-5);
  EXPECT_NEAR(relative_error(5), 2.2e-3, 2e-4);
  EXPECT_NEAR(relative_error(4), 8.6e-3, 6e-4);
}

// No scale of a fine search does much better than the few that are tried.
TEST(Quantise, ScaleIsNearTheBest) {
  const auto values = normal(64 * 50, 2);
  double ours = 0, best = 0;
  for (int g = 0; g < 50; ++g) {
    alignas(64) float group[128];
    std::copy_n(values.data() + g * 64, 64, group);
    const auto error = [&](double scale) {
      double sum = 0;
      for (int i = 0; i < 64; ++i) {
        const double value = double{group[i]};
        const double code = std::clamp(std::nearbyint(value / scale), -8.0, 7.0);
        sum += (value - code * scale) * (value - code * scale);
      }
      return sum;
    };
    double least = 1e9;
    for (int i = 1; i <= 400; ++i)
      for (const double sign : {-1.0, 1.0}) least = std::min(least, error(sign * i * 0.0015));
    best += least;
    ours += error(double{f32_from_bf16(quantised(group, 4).scale)});
  }
  EXPECT_LE(ours, 1.08 * best);
}

TEST(Quantise, SameBitsForEveryInstructionSet) {
  if (best_isa() < Isa::kAvx512) GTEST_SKIP() << "this processor has no AVX-512";
  for (const int bits : {8, 6, 5, 4})
    for (uint32_t seed = 0; seed < 200; ++seed) {
      auto values = normal(128, seed);
      if (seed % 5 == 0) values[seed % 64] *= 50;  // an outlier
      if (seed % 7 == 0)
        for (float& v : values) v *= 1e-38F;  // denormal scales
      if (seed % 11 == 0) values[3] = seed % 2 == 0 ? NAN : INFINITY;
      alignas(64) float group[128];
      std::copy_n(values.data(), 128, group);
      const Group plain = quantised(group, bits);
      const Group wide = quantised(group, bits, seed % 16, quantise_avx512);
      EXPECT_EQ(plain.scale, wide.scale);
      EXPECT_TRUE(std::equal(plain.codes, plain.codes + quantise_group(bits), wide.codes));
    }
}

TEST(Quantise, LargestOfEightBitsIsNotClipped) {
  alignas(64) float group[128] = {};
  group[7] = -3.3F;
  group[8] = 3.2F;
  const Group q = quantised(group, 8);
  const float scale = f32_from_bf16(q.scale);
  EXPECT_NEAR((q.codes[7] - 128) * scale, -3.3, 0.5 * scale);
  EXPECT_NEAR((q.codes[8] - 128) * scale, 3.2, 0.5 * scale);
  EXPECT_EQ(q.codes[9], 128);
}

TEST(Quantise, BrokenWeightsStayVisible) {
  for (const float broken : {NAN, INFINITY, -INFINITY}) {
    alignas(64) float group[128] = {};
    group[5] = broken;
    EXPECT_TRUE(std::isnan(f32_from_bf16(quantised(group, 4).scale)));
    EXPECT_TRUE(std::isnan(f32_from_bf16(quantised(group, 8).scale)));
  }
}

TEST(Quantise, ZerosStayZero) {
  alignas(64) float group[128] = {};
  EXPECT_EQ(quantised(group, 4).scale, 0);
  EXPECT_EQ(quantised(group, 8).codes[0], 128);
}

}  // namespace
}  // namespace tessera
