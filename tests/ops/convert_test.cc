#include "ops/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

float bf16(uint16_t bits) {
  return f32_from_bf16(bits);
}

TEST(Convert, RoundsToTheNearestBf16TiesToEven) {
  EXPECT_EQ(bf16(bf16_from_f32(1.0F)), 1.0F);
  EXPECT_EQ(bf16_from_f32(0x1.00p0F + 0x1p-8F), 0x3f80);              // a tie: down to even
  EXPECT_EQ(bf16_from_f32(0x1.02p0F + 0x1p-8F), 0x3f82);              // a tie: up to even
  EXPECT_EQ(bf16_from_f32(std::nextafter(0x1.01p0F, 2.0F)), 0x3f81);  // just above a tie
  EXPECT_EQ(bf16_from_f32(0x1.ffp127F), 0x7f80);                      // rounds up to infinity
  EXPECT_EQ(bf16_from_f32(INFINITY), 0x7f80);
  EXPECT_EQ(bf16_from_f32(-INFINITY), 0xff80);
  EXPECT_EQ(bf16_from_f32(-0.0F), 0x8000);
}

TEST(Convert, KeepsEveryNan) {
  for (const uint32_t bits : {0x7f800001U, 0x7fc00000U, 0xff800001U, 0xffffffffU, 0x7fffffffU})
    EXPECT_TRUE(std::isnan(bf16(bf16_from_f32(std::bit_cast<float>(bits))))) << std::hex << bits;
}

// The value of an IEEE half from its three fields, in double.
double half_value(uint32_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const auto fraction = static_cast<double>(bits & 1023);
  if (exponent == 31) return fraction == 0 ? sign * double{INFINITY} : double{NAN};
  return exponent == 0 ? sign * std::ldexp(fraction, -24)
                       : sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Convert, EveryHalfIsExactInF32) {
  std::vector<uint16_t> halves(65536);
  for (uint32_t i = 0; i < 65536; ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> out(65536);
  convert(halves.data(), DType::kF16, out.data(), DType::kF32, 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    const double want = half_value(i);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(out[i])) << i;
    } else {
      EXPECT_EQ(double{out[i]}, want) << i;
      EXPECT_EQ(std::signbit(out[i]), std::signbit(want)) << i;
    }
  }
}

TEST(Convert, EveryBf16SurvivesTheWayThroughF32) {
  std::vector<uint16_t> bits(65536), back(65536);
  for (uint32_t i = 0; i < 65536; ++i) bits[i] = static_cast<uint16_t>(i);
  std::vector<float> wide(65536);
  convert(bits.data(), DType::kBF16, wide.data(), DType::kF32, 65536);
  convert(wide.data(), DType::kF32, back.data(), DType::kBF16, 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    if (std::isnan(wide[i]))
      EXPECT_TRUE(std::isnan(bf16(back[i]))) << i;
    else
      EXPECT_EQ(back[i], bits[i]);
  }
}

TEST(Convert, CopiesWhenTheTypesAreTheSame) {
  const std::vector<float> in = {1, -2, NAN};
  std::vector<float> out(3);
  convert(in.data(), DType::kF32, out.data(), DType::kF32, 3);
  EXPECT_EQ(out[1], -2);
  EXPECT_TRUE(std::isnan(out[2]));
}

TEST(Convert, NamesTypesItDoesNotKnow) {
  float x = 0;
  EXPECT_EQ(error_of([&] { convert(&x, DType::kF32, &x, DType::kF16, 1); }),
            "convert: expected f32, bf16 or f16 to f32 or bf16, found f32 to f16");
  EXPECT_NE(error_of([&] { convert(&x, DType::kI8, &x, DType::kF32, 1); }), "no error");
}

}  // namespace
}  // namespace tessera
