#include "plan/mixed_stages.h"

#include <algorithm>
#include <tuple>

namespace tessera {

MixedStages::MixedStages(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                         int64_t kv_blocks, Goal goal)
    : frame_(std::make_unique<Instance>(problem, classes, uniform_profile(problem, problem.own),
                                        kv_blocks, goal)) {
  fill_options(problem, classes, kv_blocks, goal);
  fill_frame();
  fill_pooled_bound();
}

void MixedStages::fill_options(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                               int64_t kv_blocks, Goal goal) {
  const size_t layers = problem.layers.size();
  options_.assign(classes.size(), std::vector<std::vector<Option>>(layers + 1));
  for (const Precision wanted : problem.precisions) {
    const Profile profile = uniform_profile(problem, wanted);
    const Instance uniform(problem, classes, profile, kv_blocks, goal);
    for (size_t c = 0; c < classes.size(); ++c) {
      const ClassCosts& costs = uniform.classes[c];
      const auto add = [&](size_t u, const PlanUnit& unit, Option option) {
        option.loss = loss_units(unit.costs.at(option.precision).loss);
        std::vector<Option>& options = options_[c][u];
        const bool known = std::any_of(options.begin(), options.end(), [&](const Option& other) {
          return other.precision == option.precision;
        });
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
    const auto least = [&](size_t u, int64_t Option::*field) {
      int64_t value = kNever;
      for (const Option& option : options_[c][u]) value = std::min(value, option.*field);
      return value;
    };
    for (size_t u = 0; u < layers; ++u) {
      costs.bytes[u + 1] = costs.bytes[u] + least(u, &Option::bytes);
      costs.sum[u + 1] = costs.sum[u] + least(u, &Option::sum);
      costs.peak[u + 1] = costs.peak[u] + least(u, &Option::peak);
    }
    costs.head_bytes = least(layers, &Option::bytes);
    costs.head_sum = least(layers, &Option::sum) - costs.tail_sum;
    costs.head_peak = least(layers, &Option::peak);
  }
}

// Labels of one more layer. Sorted by bytes; the loss falls as bytes grow, except among labels of
// one loss, of which those stay that no other beats in bytes, sum and peak.
MixedStages::Front MixedStages::next_front(const Front& front, const std::vector<Option>& options,
                                           int64_t room) {
  Front next;
  next.reserve(front.size() * options.size());
  for (size_t o = 0; o < options.size(); ++o)
    for (size_t i = 0; i < front.size(); ++i) {
      const Label& from = front[i];
      if (from.bytes + options[o].bytes > room) break;
      next.push_back({.bytes = from.bytes + options[o].bytes,
                      .loss = from.loss + options[o].loss,
                      .sum = from.sum + options[o].sum,
                      .peak = from.peak + options[o].peak,
                      .parent = static_cast<uint32_t>(i),
                      .option = static_cast<uint16_t>(o)});
    }
  std::sort(next.begin(), next.end(), [](const Label& a, const Label& b) {
    return std::tie(a.bytes, a.loss, a.sum, a.peak) < std::tie(b.bytes, b.loss, b.sum, b.peak);
  });
  size_t kept = 0, group = 0;  // labels from `group` on have the least loss so far
  for (const Label& label : next) {
    if (kept > 0 && label.loss > next[group].loss) continue;
    if (kept > 0 && label.loss < next[group].loss) group = kept;
    const bool beaten = std::any_of(
        next.begin() + static_cast<ptrdiff_t>(group), next.begin() + static_cast<ptrdiff_t>(kept),
        [&](const Label& other) { return other.sum <= label.sum && other.peak <= label.peak; });
    if (!beaten) next[kept++] = label;
  }
  next.resize(kept);
  return next;
}

int64_t MixedStages::largest_room(size_t c) const {
  int64_t room = 0;
  for (const auto& [without_head, with_head] : frame_->classes[c].room)
    room = std::max({room, without_head, with_head});
  return room;
}

// The runs that end here: the labels of least loss among those that fit.
void MixedStages::collect(size_t c, OffChain held, int end, const Front& front,
                          std::vector<StageRun>& out) const {
  const bool with_head = end == frame_->layers;
  const int64_t room = frame_->classes[c].room[held][with_head ? 1 : 0];
  const std::vector<Option> no_head = {{}};
  const std::vector<Option>& heads = with_head ? options_[c].back() : no_head;
  const size_t begin = out.size();
  for (const Option& head : heads)
    for (const Label& label : front) {
      if (label.bytes + head.bytes > room) break;
      const StageRun run = {.end = end,
                            .loss = label.loss + head.loss,
                            .sum = label.sum + head.sum,
                            .peak = label.peak + head.peak};
      if (out.size() > begin && run.loss > out.back().loss) continue;
      if (out.size() > begin && run.loss < out.back().loss) out.resize(begin);
      const bool beaten = std::any_of(
          out.begin() + static_cast<ptrdiff_t>(begin), out.end(),
          [&](const StageRun& other) { return other.sum <= run.sum && other.peak <= run.peak; });
      if (!beaten) out.push_back(run);
    }
}

std::array<std::vector<StageRun>, 4> MixedStages::solve(size_t c, int first) const {
  std::array<std::vector<StageRun>, 4> runs;
  Front front = {{}};
  const int64_t room = largest_room(c);
  for (int end = first + 1; end <= frame_->layers && !front.empty(); ++end) {
    front = next_front(front, options_[c][static_cast<size_t>(end) - 1], room);
    for (OffChain held = 0; held < 4; ++held) collect(c, held, end, front, runs[held]);
  }
  return runs;
}

void MixedStages::runs(size_t c, OffChain held, int first, std::vector<StageRun>& out) const {
  const auto [it, fresh] = solved_.try_emplace({c, first});
  if (fresh) it->second = solve(c, first);
  out.insert(out.end(), it->second[held].begin(), it->second[held].end());
}

// The knapsack with the memory of all free devices in one piece, each unit at the bytes of the
// device class that needs the fewest.
void MixedStages::fill_pooled_bound() {
  const size_t layers = options_[0].size() - 1;
  pooled_.resize(layers + 1);
  int64_t room = 0;
  for (size_t c = 0; c < options_.size(); ++c) room += frame_->used.size(c) * largest_room(c);
  Front front = {{}};
  for (size_t u = layers + 1; u-- > 0;) {
    std::vector<Option> options = options_[0][u];
    for (Option& option : options) {
      option.sum = option.peak = 0;
      for (const auto& other : options_)
        for (const Option& o : other[u])
          if (o.precision == option.precision) option.bytes = std::min(option.bytes, o.bytes);
    }
    front = next_front(front, options, room);
    if (u == layers) continue;
    for (const Label& label : front) pooled_[u].emplace_back(label.bytes, label.loss);
  }
}

int64_t MixedStages::loss_bound(uint32_t used, int first) const {
  int64_t room = 0;
  for (size_t c = 0; c < options_.size(); ++c) room += frame_->used.free(used, c) * largest_room(c);
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
  const int64_t room = largest_room(c);
  std::vector<Front> fronts = {{{}}};
  for (int u = stage.first; u < stage.end; ++u)
    fronts.push_back(next_front(fronts.back(), options_[c][static_cast<size_t>(u)], room));

  const bool with_head = stage.end == frame_->layers;
  const std::vector<Option> no_head = {{}};
  const int64_t fits = frame_->classes[c].room[stage.held][with_head ? 1 : 0];
  const Label* best = nullptr;
  int64_t best_loss = kNever;
  for (const Option& head : with_head ? options_[c].back() : no_head)
    for (const Label& label : fronts.back())
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
