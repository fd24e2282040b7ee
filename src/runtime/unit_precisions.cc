#include "runtime/unit_precisions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "tessera/error.h"

namespace tessera {

Profile profile_of_plan(const Plan& plan, int64_t layers, Precision highest,
                        const std::string& where) {
  const auto refuse = [&](const std::string& expected, const std::string& found) {
    throw Error({.where = where,
                 .expected = expected,
                 .found = found,
                 .hint = "was the plan made for this model?"});
  };
  const auto check = [&](Precision precision) {
    if (precision < highest || precision == Precision::kFp8)
      refuse(fmt::format("precisions of {} or below that this machine can multiply with",
                         precision_name(highest)),
             std::string(precision_name(precision)));
  };
  Profile profile{.layers = {}, .head = plan.head_precision};
  for (const PlanStage& stage : plan.stages) {
    const auto first = static_cast<int64_t>(profile.layers.size());
    if (stage.first_layer != first ||
        stage.layer_count() != static_cast<int>(stage.precisions.size()))
      refuse(fmt::format("a stage that begins with layer {}", first),
             fmt::format("{} to {}", stage.first_layer, stage.last_layer));
    std::ranges::for_each(stage.precisions, check);
    profile.layers.insert(profile.layers.end(), stage.precisions.begin(), stage.precisions.end());
  }
  if (static_cast<int64_t>(profile.layers.size()) != layers)
    refuse(fmt::format("{} layers", layers), fmt::format("{}", profile.layers.size()));
  check(profile.head);
  profile.head = std::min(profile.head, Precision::kInt8);
  return profile;
}

Profile random_profile(std::span<const Precision> precisions, int64_t layers,
                       std::mt19937& random) {
  assert(precisions.size() >= 2);
  // Not the distributions of <random>: each library draws in its own way.
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  std::vector<Precision> some;
  while (some.size() < 2) {
    some.clear();
    for (const Precision precision : precisions)
      if (below(2) == 0) some.push_back(precision);
  }
  Profile profile;
  for (int64_t layer = 0; layer < layers; ++layer)
    profile.layers.push_back(some[below(some.size())]);
  profile.head = std::min(some[below(some.size())], Precision::kInt8);
  return profile;
}

double predicted_loss(const Sensitivities& measured, const Profile& profile) {
  double loss = measured_loss(measured.head, profile.head, measured.reference);
  for (size_t layer = 0; layer < profile.layers.size(); ++layer)
    loss += measured_loss(measured.layers[layer], profile.layers[layer], measured.reference);
  return loss;
}

}  // namespace tessera
