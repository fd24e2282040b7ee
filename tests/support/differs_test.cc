#include "tests/support/differs.h"

#include <gtest/gtest.h>

#include <vector>

namespace tessera {
namespace {

using F = std::vector<float>;
using D = std::vector<double>;

TEST(Differs, AcceptsWhatIsNear) {
  EXPECT_EQ(differs(F{}, D{}, 0), "");
  EXPECT_EQ(differs(F{1, -2}, D{1, -2}, 0), "");
  EXPECT_EQ(differs(F{1.001F}, D{1}, 0.01), "");
  EXPECT_EQ(differs(F{0.001F}, D{0}, 0, 0.01), "");
  EXPECT_EQ(differs(F{INFINITY}, D{INFINITY}, 0), "");
}

TEST(Differs, CountsAndNamesTheWorst) {
  EXPECT_EQ(differs(F{-5}, D{-1}, 1e-6),
            "1 of 1 differ, most at [0]: got -5.000000, want -1.000000");
  EXPECT_EQ(differs(F{1, 3, 9, 2}, D{1, 2, 2, 2}, 0.1),
            "2 of 4 differ, most at [2]: got 9.000000, want 2.000000");
  EXPECT_EQ(differs(F{1}, D{1, 2}, 1), "1 numbers, want 2");
}

TEST(Differs, NothingHidesANan) {
  EXPECT_NE(differs(F{NAN}, D{1}, 1e-6), "");
  EXPECT_NE(differs(F{1}, D{NAN}, 1e-6), "");
  EXPECT_NE(differs(F{NAN}, D{NAN}, 1), "");
  EXPECT_NE(differs(F{1, NAN, 1}, D{1, 1, 1}, 1), "");
}

TEST(Differs, AnInfinityEqualsOnlyItself) {
  EXPECT_NE(differs(F{1}, D{INFINITY}, 1e-6), "");
  EXPECT_NE(differs(F{-INFINITY}, D{INFINITY}, 1), "");
  EXPECT_NE(differs(F{INFINITY}, D{1}, 1), "");
}

TEST(BitsDiffer, SeesTheLastBitAndTheSignOfZero) {
  EXPECT_EQ(bits_differ(F{1, 0}, F{1, 0}), "");
  EXPECT_EQ(bits_differ(F{1, std::nextafter(2.0F, 3.0F)}, F{1, 2}),
            "[1]: got 0x1.000002p+1, want 0x1p+1");
  EXPECT_NE(bits_differ(F{0.0F}, F{-0.0F}), "");
  EXPECT_NE(bits_differ(F{1}, F{1, 2}), "");
  EXPECT_EQ(bits_differ(F{NAN}, F{-NAN}), "");
  EXPECT_NE(bits_differ(F{NAN}, F{1}), "");
}

}  // namespace
}  // namespace tessera
