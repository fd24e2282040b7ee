#include "device/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/units.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;

TEST(Ledger, SaysWhoAskedForHowMuchAndWhatHoldsTheRest) {
  Ledger ledger("cpu:1", 40 * kMiB);
  ledger.charge(MemoryKind::kWeights, "layer 16", 20 * kMiB);
  ledger.charge(MemoryKind::kKv, "layer 16", 4 * kMiB);
  ledger.charge(MemoryKind::kArena, "stage", 3 * kMiB + 700 * kKiB);
  EXPECT_EQ(
      error_of([&] { ledger.charge(MemoryKind::kWeights, "layer 17", kGiB + 41 * kMiB); }),
      "cpu:1: weights of layer 17: expected at most 12.3 MiB (what is free of 40.0 MiB: weights "
      "20.0 MiB, kv 4.0 MiB, arena 3.7 MiB), found 1.04 GiB wanted, 1.03 GiB too much (give the "
      "device more memory, or ask for a smaller context, a lower precision or more devices)");
  EXPECT_EQ(ledger.used_bytes(), 27 * kMiB + 700 * kKiB);  // nothing was booked
}

TEST(Ledger, TakesTheLastByteAndNotOneMore) {
  Ledger ledger("cpu:0", 100);
  ledger.charge(MemoryKind::kFixed, "a", 99);
  ledger.charge(MemoryKind::kFixed, "b", 1);
  EXPECT_THROW(ledger.charge(MemoryKind::kFixed, "c", 1), Error);
  EXPECT_THROW(ledger.charge(MemoryKind::kFixed, "c", UINT64_MAX), Error);  // no wrap-around
  ledger.charge(MemoryKind::kFixed, "c", 0);
  EXPECT_EQ(ledger.entries().size(), 2U);
}

TEST(Ledger, ListsOwnersLargestFirst) {
  Ledger ledger("cpu:0", 100);
  ledger.charge(MemoryKind::kKv, "small", 10);
  ledger.charge(MemoryKind::kWeights, "large", 30);
  ledger.charge(MemoryKind::kKv, "small", 5);  // the same owner and kind: one entry
  ledger.charge(MemoryKind::kKv, "gone", 20);
  ledger.release(MemoryKind::kKv, "gone", 20);
  std::vector<std::string> lines;
  for (const Ledger::Entry& e : ledger.entries())
    lines.push_back(e.owner + " " + std::to_string(e.bytes));
  EXPECT_THAT(lines, ElementsAre("large 30", "small 15"));
  EXPECT_EQ(ledger.used_bytes(MemoryKind::kKv), 15U);
  EXPECT_EQ(ledger.peak_bytes(), 65U);
}

// 20,000 random charges and releases against a map that is added up anew each time.
TEST(Ledger, AgreesWithANaiveBook) {
  std::mt19937 random(1);
  const auto draw = [&](uint64_t n) {
    return std::uniform_int_distribution<uint64_t>(0, n - 1)(random);
  };
  const uint64_t budget = 5000;
  Ledger ledger("cpu:0", budget);
  std::map<std::pair<int, std::string>, uint64_t> book;
  uint64_t peak = 0;
  int refused = 0;
  const auto sum = [&](int kind) {
    uint64_t bytes = 0;
    for (const auto& [key, held] : book)
      if (kind < 0 || key.first == kind) bytes += held;
    return bytes;
  };
  for (int step = 0; step < 20000; ++step) {
    const int kind = static_cast<int>(draw(4));
    const std::string owner = "layer " + std::to_string(draw(6));
    uint64_t& held = book[{kind, owner}];
    if (draw(2) == 0) {
      const uint64_t bytes = draw(400);
      const bool fits = sum(-1) + bytes <= budget;
      const std::string line =
          error_of([&] { ledger.charge(static_cast<MemoryKind>(kind), owner, bytes); });
      ASSERT_EQ(line == "no error", fits) << line;
      if (fits) held += bytes;
      refused += fits ? 0 : 1;
    } else {
      const uint64_t bytes = draw(held + 1);
      ledger.release(static_cast<MemoryKind>(kind), owner, bytes);
      held -= bytes;
    }
    peak = std::max(peak, sum(-1));
    ASSERT_EQ(ledger.used_bytes(), sum(-1));
    ASSERT_EQ(ledger.used_bytes(static_cast<MemoryKind>(kind)), sum(kind));
    ASSERT_EQ(ledger.peak_bytes(), peak);
  }
  for (const Ledger::Entry& e : ledger.entries())
    EXPECT_EQ(e.bytes, (book[{static_cast<int>(e.kind), e.owner}]));
  EXPECT_GT(refused, 100);  // the budget was met, not only approached
}

TEST(Ledger, NeverExceedsItsBudgetUnderManyThreads) {
  Ledger ledger("cpu:0", 1000);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&ledger, owner = std::to_string(t)] {
      for (int i = 0; i < 2000; ++i) {
        try {
          ledger.charge(MemoryKind::kArena, owner, 300);
          EXPECT_LE(ledger.used_bytes(), 1000U);
          ledger.release(MemoryKind::kArena, owner, 300);
        } catch (const Error&) {  // three of the four may hold 300
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger.used_bytes(), 0U);
  EXPECT_LE(ledger.peak_bytes(), 900U);
}

}  // namespace
}  // namespace tessera
