#include "plan/precision_front.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <tuple>

namespace tessera {
namespace {

using Options = std::vector<PrecisionOption>;

int64_t between(std::mt19937& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

// Few different numbers, so that many choices are equal in something.
Options random_options(std::mt19937& random) {
  Options options(static_cast<size_t>(between(random, 1, 3)));
  for (PrecisionOption& option : options)
    option = {.bytes = between(random, 1, 6),
              .loss = between(random, 0, 3),
              .sum = between(random, 0, 3),
              .peak = between(random, 0, 3)};
  return options;
}

// Every choice, one by one.
std::vector<PrecisionLabel> all_choices(const std::vector<Options>& layers) {
  std::vector<PrecisionLabel> choices = {{}};
  for (const Options& options : layers) {
    std::vector<PrecisionLabel> longer;
    for (const PrecisionLabel& from : choices)
      for (const PrecisionOption& option : options)
        longer.push_back({.bytes = from.bytes + option.bytes,
                          .loss = from.loss + option.loss,
                          .sum = from.sum + option.sum,
                          .peak = from.peak + option.peak});
    choices = std::move(longer);
  }
  return choices;
}

// (sum, peak) of the choices with the least loss inside `room` that none beats in both.
using Best = std::tuple<int64_t, std::set<std::pair<int64_t, int64_t>>>;
Best best_of(const std::vector<PrecisionLabel>& choices, int64_t room) {
  int64_t loss = INT64_MAX;
  for (const PrecisionLabel& choice : choices)
    if (choice.bytes <= room) loss = std::min(loss, choice.loss);
  std::set<std::pair<int64_t, int64_t>> times;
  for (const PrecisionLabel& choice : choices) {
    if (choice.bytes > room || choice.loss > loss) continue;
    const bool beaten = std::ranges::any_of(choices, [&](const PrecisionLabel& other) {
      return other.bytes <= room && other.loss == loss && other.sum <= choice.sum &&
             other.peak <= choice.peak &&
             std::tie(other.sum, other.peak) != std::tie(choice.sum, choice.peak);
    });
    if (!beaten) times.emplace(choice.sum, choice.peak);
  }
  return {loss, times};
}

TEST(PrecisionFront, HasTheBestChoiceForEveryRoom) {
  std::mt19937 random(5);
  for (int draw = 0; draw < 300; ++draw) {
    std::vector<Options> layers;
    PrecisionFront front = {{}};
    const int64_t most = between(random, 5, 30);
    for (int64_t n = between(random, 1, 5); n > 0; --n) {
      layers.push_back(random_options(random));
      front = next_front(front, layers.back(), most);
    }
    const std::vector<PrecisionLabel> choices = all_choices(layers);
    for (int64_t room = 0; room <= most; ++room)
      ASSERT_EQ(best_of(front, room), best_of(choices, room)) << "draw " << draw;
  }
}

bool equal(const PrecisionFront& a, const PrecisionFront& b) {
  return std::ranges::equal(a, b, [](const PrecisionLabel& x, const PrecisionLabel& y) {
    return std::tie(x.bytes, x.loss, x.sum, x.peak, x.parent, x.option) ==
           std::tie(y.bytes, y.loss, y.sum, y.peak, y.parent, y.option);
  });
}

TEST(FrontTree, IsTheFrontOfEachRunWhereverItStands) {
  std::mt19937 random(6);
  const std::vector<Options> kinds = {random_options(random), random_options(random),
                                      random_options(random)};
  std::vector<Options> layers;
  for (int u = 0; u < 40; ++u) layers.push_back(kinds[random() % kinds.size()]);
  constexpr int64_t kRoom = 60;
  FrontTree tree(layers, kRoom);
  for (int draw = 0; draw < 200; ++draw) {
    const auto first = static_cast<size_t>(between(random, 0, 39));
    size_t end = first;
    PrecisionFront front = {{}};
    tree.walk(static_cast<int>(first), [&](int at, const PrecisionFront& got) {
      front = next_front(front, layers[end], kRoom);
      ASSERT_EQ(at, static_cast<int>(++end));
      ASSERT_TRUE(equal(got, front)) << "layers " << first << " to " << end;
    });
    if (end < layers.size()) {
      EXPECT_TRUE(next_front(front, layers[end], kRoom).empty());
    }
    EXPECT_GT(end, first);
  }
}

}  // namespace
}  // namespace tessera
