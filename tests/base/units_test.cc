#include "base/units.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(Units, ParsesSizes) {
  EXPECT_EQ(parse_bytes("24GiB"), 24 * kGiB);
  EXPECT_EQ(parse_bytes("500MB"), 500'000'000U);
  EXPECT_EQ(parse_bytes("1.5KiB"), 1536U);
  EXPECT_EQ(parse_bytes("4096"), 4096U);
  for (const char* bad :
       {"", "GiB", "-1GiB", "1G", "1 GiB", "nan", "inf", "1e30", "99999999TiB", "0x10"})
    EXPECT_EQ(parse_bytes(bad), std::nullopt) << bad;
  EXPECT_EQ(parse_bandwidth("12GB/s"), 12e9);
  for (const std::string& bad : {std::string("12GB"), std::string("infGB/s"), std::string("nan/s"),
                                 std::string(300, '9') + "TB/s"})
    EXPECT_EQ(parse_bandwidth(bad), std::nullopt) << bad;
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(format_bytes(12), "12 B");
  EXPECT_EQ(format_bytes(700 * kMiB), "700.0 MiB");
  EXPECT_EQ(format_bytes(24 * kGiB), "24.00 GiB");
  EXPECT_EQ(format_duration(0.0352), "35.2 ms");
  EXPECT_EQ(format_duration(125), "2 min 5 s");
}

}  // namespace
}  // namespace tessera
