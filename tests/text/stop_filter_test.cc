#include "text/stop_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using Strings = std::vector<std::string>;

TEST(StopFilter, HoldsBackWhatMayBecomeAStop) {
  const Strings stops = {"###"};
  StopFilter filter(stops);
  EXPECT_EQ(filter.push("A cat. #"), "A cat. ");
  EXPECT_EQ(filter.push("1 and ##"), "#1 and ");
  EXPECT_FALSE(filter.stopped());
  EXPECT_EQ(filter.push("# Human:"), "");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.stop(), "###");
  EXPECT_EQ(filter.push("more"), "");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopFilter, ReleasesAtTheEnd) {
  const Strings stops = {"###", "\nHuman:"};
  StopFilter filter(stops);
  EXPECT_EQ(filter.push("ends in ##"), "ends in ");
  EXPECT_EQ(filter.push(""), "");
  EXPECT_EQ(filter.finish(), "##");
  EXPECT_EQ(filter.push("#"), "");  // the text ended: no part of a stop is left over
  EXPECT_EQ(filter.push("\nHum"), "#");
  EXPECT_FALSE(filter.stopped());
}

TEST(StopFilter, WithoutStopsPassesAll) {
  StopFilter filter({});
  EXPECT_EQ(filter.push("a###b"), "a###b");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopFilter, RefusesAnEmptyStop) {
  const Strings stops = {"a", ""};
  EXPECT_EQ(error_of([&] { StopFilter filter(stops); }),
            "stop strings: expected text, found an empty string");
}

struct Cut {
  std::string kept, stop;
};

// The definition: the shortest beginning of the text that ends with a stop string; of several,
// the longest is cut off.
Cut naive(const std::string& text, const Strings& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string longest;
    for (const std::string& stop : stops)
      if (stop.size() > longest.size() && std::string_view(text).substr(0, end).ends_with(stop))
        longest = stop;
    if (!longest.empty()) return {text.substr(0, end - longest.size()), longest};
  }
  return {text, ""};
}

// The longest suffix that begins a stop string is what may be held, and no more.
size_t longest_held(const std::string& text, const Strings& stops) {
  size_t longest = 0;
  for (const std::string& stop : stops)
    for (size_t n = 1; n < stop.size() && n <= text.size(); ++n)
      if (text.ends_with(stop.substr(0, n))) longest = std::max(longest, n);
  return longest;
}

TEST(StopFilter, AgreesWithTheNaiveSearch) {
  std::mt19937 rng(7);
  const auto word = [&](size_t max) {
    std::string text(1 + rng() % max, 'a');
    for (char& c : text) c = static_cast<char>('a' + rng() % 2);
    return text;
  };
  int stopped = 0;
  for (int round = 0; round < 20000; ++round) {
    Strings stops(1 + rng() % 3);
    for (std::string& stop : stops) stop = word(6);
    const std::string text = word(24);
    const Cut want = naive(text, stops);
    StopFilter filter(stops);
    std::string got, fed;
    while (fed.size() < text.size()) {
      const std::string part = text.substr(fed.size(), 1 + rng() % 5);
      fed += part;
      got += filter.push(part);
      if (!filter.stopped()) {
        ASSERT_EQ(got.size(), fed.size() - longest_held(fed, stops)) << text;
      }
    }
    got += filter.finish();
    ASSERT_EQ(got, want.kept) << text << " " << testing::PrintToString(stops);
    ASSERT_EQ(filter.stop(), want.stop);
    stopped += filter.stopped();
  }
  EXPECT_GT(stopped, 5000);
  EXPECT_LT(stopped, 19500);
}

}  // namespace
}  // namespace tessera
