#include "ops/float_math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace tessera {
namespace {

// Every 256th f32 from `low` to `high`, both of one sign, then `high`.
template <typename Body>
void for_floats(float low, float high, const Body& body) {
  const auto a = std::bit_cast<uint32_t>(low), b = std::bit_cast<uint32_t>(high);
  for (uint32_t bits = std::min(a, b); bits < std::max(a, b); bits += 256)
    body(std::bit_cast<float>(bits));
  body(high);
}

// |got - want| in units in the last place of an f32 of want's size.
double ulps(float got, double want) {
  const int exponent = std::max(std::ilogb(want), -126);
  return std::fabs(double{got} - want) / std::ldexp(1, exponent - 23);
}

TEST(FloatMath, ExpIsWithinTwoUnitsWhereF32HasAllItsDigits) {
  double worst = 0;
  const auto check = [&](float x) {
    worst = std::max(worst, ulps(exp_f32(x), std::exp(double{x})));
  };
  for_floats(0.0F, 88.72283F, check);
  for_floats(-0.0F, -87.336F, check);
  EXPECT_LE(worst, 2) << worst;
  EXPECT_EQ(exp_f32(0.0F), 1.0F);  // a rescaling that changes nothing must change nothing
  EXPECT_EQ(exp_f32(-0.0F), 1.0F);
}

TEST(FloatMath, ExpEndsInZeroInfinityAndNan) {
  for (const float x : {-87.34F, -88.0F, -104.0F, -1e30F, -INFINITY}) EXPECT_EQ(exp_f32(x), 0) << x;
  for (const float x : {88.73F, 89.0F, 100.0F, 1e30F, INFINITY})
    EXPECT_EQ(exp_f32(x), INFINITY) << x;
  EXPECT_TRUE(std::isnan(exp_f32(NAN)));
  EXPECT_TRUE(std::isnan(exp_f32(-NAN)));
}

TEST(FloatMath, ExpOfNegativeNumbersHasTheBitsOfExp) {
  for (float x = 0.0F; x > -90.0F; x = std::nextafter(x * 1.0001F, -INFINITY))
    ASSERT_EQ(exp_f32_of_negative(x), exp_f32(x)) << x;
  for (const float x : {-87.34F, -104.0F, -1e30F, -INFINITY}) EXPECT_EQ(exp_f32_of_negative(x), 0);
  EXPECT_TRUE(std::isnan(exp_f32_of_negative(NAN)));
}

TEST(FloatMath, SineAndCosineAreHalfAUnitOff) {
  double worst = 0;
  const auto check = [&](float x) {
    const SineCosine at = sine_cosine(x);
    worst =
        std::max({worst, ulps(at.sine, std::sin(double{x})), ulps(at.cosine, std::cos(double{x}))});
  };
  for_floats(1e-6F, 0x1p+24F, check);
  for_floats(-1e-6F, -0x1p+24F, check);
  for (const float x : {0.0F, -0.0F, 1e-30F, -1e-30F}) {
    EXPECT_EQ(sine_cosine(x).sine, x);
    EXPECT_EQ(sine_cosine(x).cosine, 1);
  }
  EXPECT_LE(worst, 0.501) << worst;
  for (const float x : {INFINITY, -INFINITY, NAN}) {
    EXPECT_TRUE(std::isnan(sine_cosine(x).sine)) << x;
    EXPECT_TRUE(std::isnan(sine_cosine(x).cosine)) << x;
  }
}

TEST(FloatMath, Exp2IsWithinOneUnit) {
  double worst = 0;
  for_floats(-0.0F, -126.0F, [&](float x) {
    worst = std::max(worst, ulps(exp2_f32_of_negative(x), std::exp2(double{x})));
  });
  EXPECT_LE(worst, 1) << worst;
  for (float n = 0; n >= -126; --n) EXPECT_EQ(exp2_f32_of_negative(n), std::exp2(n)) << n;
  for (const float x : {-126.001F, -150.0F, -1e30F, -INFINITY})
    EXPECT_EQ(exp2_f32_of_negative(x), 0) << x;
  for (const uint32_t bits : {0x7fc00000U, 0xffc00000U, 0x7fffffffU, 0xff800001U, 0x7fc00181U})
    EXPECT_TRUE(std::isnan(exp2_f32_of_negative(std::bit_cast<float>(bits)))) << bits;
}

// The largest of |got - want| / |x| over all x in [-20, 20]; 6e-8 is one rounding.
double worst_over_x(float (*got)(float), double (*want)(double)) {
  double worst = 0;
  const auto check = [&](float x) {
    if (x == 0) return;
    worst = std::max(worst, std::fabs(double{got(x)} - want(double{x})) / std::fabs(double{x}));
  };
  for_floats(0x1p-30F, 20.0F, check);
  for_floats(-0x1p-30F, -20.0F, check);
  return worst;
}

TEST(FloatMath, ActivationsAreWithinAFewRoundingsOfX) {
  EXPECT_LT(worst_over_x(silu_f32, [](double x) { return x / (1 + std::exp(-x)); }), 3e-7);
  EXPECT_LT(worst_over_x(gelu_quick_f32,
                         [](double x) { return x / (1 + std::exp(double{-1.702F} * x)); }),
            3e-7);
  EXPECT_LT(
      worst_over_x(gelu_erf_f32, [](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; }),
      3e-7);
  EXPECT_LT(worst_over_x(gelu_tanh_f32,
                         [](double x) {
                           const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
                           return x * (1 + std::tanh(u)) / 2;
                         }),
            4e-7);
}

// 1 + erf would lose all digits here.
TEST(FloatMath, GeluKeepsItsDigitsInTheNegativeTail) {
  for (float x = -1; x > -12; x -= 0.01F) {
    const double want = double{x} * std::erfc(double{-x} / std::sqrt(2.0)) / 2;
    EXPECT_LT(std::fabs(double{gelu_erf_f32(x)} / want - 1), 1e-5) << x;
  }
}

TEST(FloatMath, ActivationsAtTheEnds) {
  for (const auto f : {silu_f32, gelu_quick_f32, gelu_erf_f32, gelu_tanh_f32}) {
    EXPECT_EQ(f(0.0F), 0);
    EXPECT_EQ(f(1e30F), 1e30F);
    EXPECT_EQ(f(INFINITY), INFINITY);
    EXPECT_EQ(f(-1e30F), 0);
    EXPECT_TRUE(std::isnan(f(NAN)));
  }
}

}  // namespace
}  // namespace tessera
