#include "runtime/card_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

CudaCard card_of(int index, uint64_t memory_bytes, uint64_t free_bytes) {
  return {.index = index, .memory_bytes = memory_bytes, .free_bytes = free_bytes};
}

const std::vector<CudaCard> kTwo = {card_of(0, 64 * kGiB, 62 * kGiB + 512 * kMiB),
                                    card_of(1, 32 * kGiB, 20 * kGiB + 512 * kMiB)};

std::vector<std::pair<std::string, uint64_t>> shares_of(const std::string& devices) {
  std::vector<std::pair<std::string, uint64_t>> shares;
  for (const CardShare& share : share_cards(parse_devices(devices), kTwo))
    shares.emplace_back(share.name, share.budget_bytes);
  return shares;
}

using Shares = std::vector<std::pair<std::string, uint64_t>>;

TEST(CardShares, ACardWithoutASizeGivesWhatIsFree) {
  EXPECT_EQ(card_reserve_bytes(kTwo[0]), 512 * kMiB);
  EXPECT_EQ(shares_of("cuda"), (Shares{{"cuda:0", 62 * kGiB}}));
  EXPECT_EQ(shares_of("cuda:1"), (Shares{{"cuda:1", 20 * kGiB}}));
  EXPECT_EQ(shares_of("2xcuda"), (Shares{{"cuda:0", 62 * kGiB}, {"cuda:1", 20 * kGiB}}));
  EXPECT_EQ(shares_of("cuda:1@4GiB,cpu,cuda"),
            (Shares{{"cuda:1", 4 * kGiB}, {"cuda:0", 62 * kGiB}}));
}

TEST(CardShares, SeveralDevicesOfACardDivideIt) {
  EXPECT_EQ(shares_of("3xcuda:0@20GiB"),
            (Shares{{"cuda:0.0", 20 * kGiB}, {"cuda:0.1", 20 * kGiB}, {"cuda:0.2", 20 * kGiB}}));
  EXPECT_EQ(shares_of("cuda:0,cuda:0@22GiB,cuda:0"),
            (Shares{{"cuda:0.0", 20 * kGiB}, {"cuda:0.1", 22 * kGiB}, {"cuda:0.2", 20 * kGiB}}));
}

TEST(CardShares, EachHasTheOptionsOfItsEntry) {
  const auto shares =
      share_cards(parse_devices("cuda:0@1GiB{gemm=cublaslt},cuda:0@1GiB{graphs=on}"), kTwo);
  EXPECT_TRUE(shares[0].cublaslt);
  EXPECT_FALSE(shares[0].graphs);
  EXPECT_FALSE(shares[1].cublaslt);
  EXPECT_TRUE(shares[1].graphs);
}

TEST(CardShares, WhatIsNotThereIsAnError) {
  EXPECT_THAT(error_of([] { shares_of("cuda:2"); }),
              HasSubstr("cuda:2: expected cuda:0 to cuda:1, found cuda:2"));
  EXPECT_THAT(error_of([] { shares_of("3xcuda"); }), HasSubstr("found cuda:2"));
  EXPECT_THAT(error_of([] { shares_of("cuda:1@21GiB"); }),
              AllOf(HasSubstr("cuda:1@21GiB: expected at most 20.00 GiB: cuda:1 has 32.00 GiB, of "
                              "which 20.50 GiB are free, found 21.00 GiB"),
                    HasSubstr("nvidia-smi")));
  EXPECT_THAT(error_of([] { shares_of("2xcuda:1@12GiB"); }),
              AllOf(HasSubstr("at most 8.00 GiB"), HasSubstr("devices before it")));
}

}  // namespace
}  // namespace tessera
