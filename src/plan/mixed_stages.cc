#include "plan/mixed_stages.h"

#include <algorithm>
#include <iterator>

namespace tessera {

MixedStages::MixedStages(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                         int64_t kv_blocks, Goal goal)
    : frame_(std::make_unique<Instance>(problem, classes, uniform_profile(problem, problem.own),
                                        kv_blocks, goal)) {
  fill_options(problem, classes, kv_blocks, goal);
  fill_frame();
  fill_rooms();
  fill_pooled_bound();
}

void MixedStages::fill_options(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                               int64_t kv_blocks, Goal goal) {
  const size_t layers = problem.layers.size();
  options_.assign(classes.size(), std::vector<std::vector<PrecisionOption>>(layers + 1));
  for (const Precision wanted : problem.precisions) {
    const Profile profile = uniform_profile(problem, wanted);
    const Instance uniform(problem, classes, profile, kv_blocks, goal);
    for (size_t c = 0; c < classes.size(); ++c) {
      const ClassCosts& costs = uniform.classes[c];
      const auto add = [&](size_t u, const PlanUnit& unit, PrecisionOption option) {
        option.loss = loss_units(unit.costs.at(option.precision).loss);
        std::vector<PrecisionOption>& options = options_[c][u];
        const bool known = std::any_of(
            options.begin(), options.end(),
            [&](const PrecisionOption& other) { return other.precision == option.precision; });
        if (!known) options.push_back(option);
      };
      for (size_t u = 0; u < layers; ++u)
        add(u, problem.layers[u],
            {.precision = profile.layers[u],
             .bytes = costs.bytes[u + 1] - costs.bytes[u],
             .sum = costs.sum[u + 1] - costs.sum[u],
             .peak = costs.peak[u + 1] - costs.peak[u]});
      add(layers, problem.head,
          {.precision = profile.head,
           .bytes = costs.head_bytes,
           .sum = costs.head_sum + costs.tail_sum,
           .peak = costs.head_peak});
    }
  }
}

// Each unit at its least bytes, least sum and least peak, though no one precision may have all.
void MixedStages::fill_frame() {
  const size_t layers = options_[0].size() - 1;
  for (size_t c = 0; c < options_.size(); ++c) {
    ClassCosts& costs = frame_->classes[c];
    const auto least = [&](size_t u, int64_t PrecisionOption::*field) {
      int64_t value = kNever;
      for (const PrecisionOption& option : options_[c][u]) value = std::min(value, option.*field);
      return value;
    };
    for (size_t u = 0; u < layers; ++u) {
      costs.bytes[u + 1] = costs.bytes[u] + least(u, &PrecisionOption::bytes);
      costs.sum[u + 1] = costs.sum[u] + least(u, &PrecisionOption::sum);
      costs.peak[u + 1] = costs.peak[u] + least(u, &PrecisionOption::peak);
    }
    costs.head_bytes = least(layers, &PrecisionOption::bytes);
    costs.head_sum = least(layers, &PrecisionOption::sum) - costs.tail_sum;
    costs.head_peak = least(layers, &PrecisionOption::peak);
  }
}

void MixedStages::fill_rooms() {
  for (size_t c = 0; c < options_.size(); ++c) {
    int64_t room = 0;
    for (const auto& [without_head, with_head] : frame_->classes[c].room)
      room = std::max({room, without_head, with_head});
    rooms_.push_back(room);
    fronts_.emplace_back(std::vector(options_[c].begin(), std::prev(options_[c].end())), room);
  }
  free_rooms_.assign(frame_->used.states(), -1);
}

// The runs that end here: the labels of least loss among those that fit.
void MixedStages::collect(size_t c, OffChain held, int end, const PrecisionFront& front,
                          std::vector<StageRun>& out) const {
  const bool with_head = end == frame_->layers;
  const int64_t room = frame_->classes[c].room[held][with_head ? 1 : 0];
  const std::vector<PrecisionOption> no_head = {{}};
  const size_t begin = out.size();
  for (const PrecisionOption& head : with_head ? options_[c].back() : no_head) {
    // They stand together, behind all that fit and lose more.
    const auto after = std::partition_point(
        front.begin(), front.end(),
        [&](const PrecisionLabel& label) { return label.bytes + head.bytes <= room; });
    auto label = after;
    while (label != front.begin() && std::prev(label)->loss == std::prev(after)->loss) --label;
    for (; label != after; ++label) {
      const StageRun run = {.end = end,
                            .loss = label->loss + head.loss,
                            .sum = label->sum + head.sum,
                            .peak = label->peak + head.peak};
      if (out.size() > begin && run.loss > out.back().loss) break;
      if (out.size() > begin && run.loss < out.back().loss) out.resize(begin);
      const bool beaten = std::any_of(
          out.begin() + static_cast<ptrdiff_t>(begin), out.end(),
          [&](const StageRun& other) { return other.sum <= run.sum && other.peak <= run.peak; });
      if (!beaten) out.push_back(run);
    }
  }
}

std::array<std::vector<StageRun>, 4> MixedStages::solve(size_t c, int first) const {
  std::array<std::vector<StageRun>, 4> runs;
  fronts_[c].walk(first, [&](int end, const PrecisionFront& front) {
    for (OffChain held = 0; held < 4; ++held) collect(c, held, end, front, runs[held]);
  });
  return runs;
}

void MixedStages::runs(size_t c, OffChain held, int first, int end_from, int64_t cap,
                       std::vector<StageRun>& out) const {
  const auto [it, fresh] = solved_.try_emplace({c, first});
  if (fresh) it->second = solve(c, first);
  const std::vector<StageRun>& all = it->second[held];
  const auto begin = std::ranges::lower_bound(all, end_from, {}, &StageRun::end);
  std::copy_if(begin, all.end(), std::back_inserter(out),
               [&](const StageRun& run) { return run.peak <= cap; });
}

// The knapsack with the memory of all free devices in one piece, each unit at the bytes of the
// device class that needs the fewest.
void MixedStages::fill_pooled_bound() {
  const size_t layers = options_[0].size() - 1;
  pooled_.resize(layers + 1);
  int64_t room = 0;
  for (size_t c = 0; c < options_.size(); ++c) room += frame_->used.size(c) * rooms_[c];
  PrecisionFront front = {{}};
  for (size_t u = layers + 1; u-- > 0;) {
    std::vector<PrecisionOption> options = options_[0][u];
    for (PrecisionOption& option : options) {
      option.sum = option.peak = 0;
      for (const auto& other : options_)
        for (const PrecisionOption& o : other[u])
          if (o.precision == option.precision) option.bytes = std::min(option.bytes, o.bytes);
    }
    front = next_front(front, options, room);
    if (u == layers) continue;
    for (const PrecisionLabel& label : front) pooled_[u].emplace_back(label.bytes, label.loss);
  }
}

int64_t MixedStages::loss_bound(uint32_t used, int first) const {
  int64_t& room = free_rooms_[used];
  if (room < 0) {
    room = 0;
    for (size_t c = 0; c < rooms_.size(); ++c) room += frame_->used.free(used, c) * rooms_[c];
  }
  const auto& front = pooled_[static_cast<size_t>(first)];
  const auto after = std::partition_point(front.begin(), front.end(),
                                          [&](const auto& label) { return label.first <= room; });
  return after == front.begin() ? kNever : std::prev(after)->second;
}

Profile MixedStages::profile_of(const Split& split) const {
  Profile profile;
  profile.layers.resize(static_cast<size_t>(frame_->layers));
  for (const Split::Stage& stage : split.stages) restore(stage, profile);
  return profile;
}

// Solves the stage once more, with all fronts kept, and walks back from the label that was used.
void MixedStages::restore(const Split::Stage& stage, Profile& profile) const {
  const size_t c = stage.device_class;
  const int64_t room = rooms_[c];
  std::vector<PrecisionFront> fronts = {{{}}};
  for (int u = stage.first; u < stage.end; ++u)
    fronts.push_back(next_front(fronts.back(), options_[c][static_cast<size_t>(u)], room));

  const bool with_head = stage.end == frame_->layers;
  const std::vector<PrecisionOption> no_head = {{}};
  const int64_t fits = frame_->classes[c].room[stage.held][with_head ? 1 : 0];
  const PrecisionLabel* best = nullptr;
  int64_t best_loss = kNever;
  for (const PrecisionOption& head : with_head ? options_[c].back() : no_head)
    for (const PrecisionLabel& label : fronts.back())
      if (label.bytes + head.bytes <= fits && label.sum + head.sum == stage.sum &&
          label.peak + head.peak == stage.peak && label.loss + head.loss < best_loss) {
        best = &label;
        best_loss = label.loss + head.loss;
        if (with_head) profile.head = head.precision;
      }
  for (int u = stage.end; u-- > stage.first;) {
    const auto layer = static_cast<size_t>(u);
    profile.layers[layer] = options_[c][layer][best->option].precision;
    best = &fronts[static_cast<size_t>(u - stage.first)][best->parent];
  }
}

}  // namespace tessera
