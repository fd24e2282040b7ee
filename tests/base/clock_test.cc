#include "base/clock.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tessera {
namespace {

TEST(Clock, SleepsUntilTheMomentNeverLess) {
  double least_late_s = 1;
  for (int i = 0; i < 20; ++i) {
    const double when_s = now_s() + 0.002;
    sleep_until_s(when_s);
    const double late_s = now_s() - when_s;
    EXPECT_GE(late_s, 0);
    least_late_s = std::min(least_late_s, late_s);
  }
  EXPECT_LT(least_late_s, 500e-6);  // the best of many: it is a few us, but other programs run too
}

TEST(Clock, AMomentInThePastReturnsAtOnce) {
  const double before_s = now_s();
  sleep_until_s(before_s - 10);
  EXPECT_LT(now_s() - before_s, 0.5);
}

}  // namespace
}  // namespace tessera
