#include "plan/loss_replay.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "plan/certificate_replay.h"
#include "plan/cost_model.h"
#include "plan/index.h"
#include "plan/memory_model.h"

namespace tessera {
namespace {

// More than any budget (validate_problem); sums over 512 layers stay inside 63 bits.
constexpr uint64_t kNoBudgetHolds = uint64_t{1} << 51;

/// Bytes and loss of one choice, or of several.
struct LossChoice {
  int64_t bytes = 0, loss = 0;

  bool operator<(const LossChoice& other) const {
    return bytes != other.bytes ? bytes < other.bytes : loss < other.loss;
  }
};
using LossChoices = std::vector<LossChoice>;

// Leaves only what loses less than all that is smaller.
void keep_the_best(LossChoices& choices) {
  std::sort(choices.begin(), choices.end());
  int64_t least = kNoSplit;
  std::erase_if(choices, [&](const LossChoice& choice) {
    if (choice.loss >= least) return true;
    least = choice.loss;
    return false;
  });
}

/// What bytes buy: first the steps that save the most loss for a byte, and a part of a step where
/// they end. No choice of whole steps saves more (Dantzig 1957).
class Relaxation {
 public:
  /// `units`: the choices of each. The best of keep_the_best.
  void add(const LossChoices& unit) {
    base_.bytes += unit.front().bytes;
    base_.loss += unit.front().loss;
    LossChoices corners;  // of the lower convex hull
    for (const LossChoice& choice : unit) {
      while (corners.size() >= 2 &&
             rate(*(corners.end() - 2), corners.back()) <= rate(corners.back(), choice))
        corners.pop_back();
      corners.push_back(choice);
    }
    for (size_t i = 1; i < corners.size(); ++i)
      steps_.push_back({.bytes = corners[i].bytes - corners[i - 1].bytes,
                        .loss = corners[i - 1].loss - corners[i].loss});
    std::sort(steps_.begin(), steps_.end(), [](const LossChoice& a, const LossChoice& b) {
      return rate({}, {a.bytes, -a.loss}) > rate({}, {b.bytes, -b.loss});
    });
    upto_.assign(1, {});
    for (const LossChoice& step : steps_)
      upto_.push_back({upto_.back().bytes + step.bytes, upto_.back().loss + step.loss});
  }

  /// At most the loss of these units in so many bytes; kNoSplit: they do not fit.
  int64_t loss_in(int64_t bytes) const {
    const int64_t spare = bytes - base_.bytes;
    if (spare < 0) return kNoSplit;
    const auto after = std::upper_bound(
        upto_.begin(), upto_.end(), spare,
        [](int64_t wanted, const LossChoice& upto) { return wanted < upto.bytes; });
    const LossChoice& whole = *(after - 1);
    int64_t saved = whole.loss;
    if (after != upto_.end())
      saved += static_cast<int64_t>(static_cast<double>(after->loss - whole.loss) *
                                    static_cast<double>(spare - whole.bytes) /
                                    static_cast<double>(after->bytes - whole.bytes));
    // Far more than doubles lose in the order of the steps and in a part of one.
    saved += 1 + saved / (int64_t{1} << 40);
    return std::max<int64_t>(base_.loss - saved, 0);
  }

 private:
  static double rate(const LossChoice& from, const LossChoice& to) {
    return static_cast<double>(from.loss - to.loss) / static_cast<double>(to.bytes - from.bytes);
  }

  LossChoice base_;  // each unit at its smallest
  LossChoices steps_, upto_ = {{}};
};

class ChainReplay {
 public:
  ChainReplay(const PlanProblem& problem, int64_t kv_blocks, int64_t most_choices)
      : p_(problem),
        kv_blocks_(kv_blocks),
        choices_left_(most_choices),
        devices_(static_cast<int>(problem.devices.size())),
        layers_(static_cast<int>(problem.layers.size())) {
    for (const PlanDevice& device : p_.devices) {
      std::vector<LossChoices> of_device;
      for (const PlanUnit& layer : p_.layers) of_device.push_back(choices_of(layer, device));
      layer_choices_.push_back(std::move(of_device));
    }
    for (const Precision wanted : p_.precisions) heads_.push_back(precision_of(p_.head, wanted));
    // Each unit as small as any device makes it.
    rest_.resize(at(layers_) + 1);
    Relaxation rest;
    for (int u = layers_; u >= 0; --u) {
      LossChoices smallest;
      for (int d = 0; d < devices_; ++d) {
        const LossChoices here =
            u == layers_ ? choices_of(p_.head, p_.devices[at(d)]) : layer_choices_[at(d)][at(u)];
        smallest.insert(smallest.end(), here.begin(), here.end());
      }
      keep_the_best(smallest);
      rest.add(smallest);
      rest_[at(u)] = rest;
    }
  }

  LossReplay below(int64_t claimed) {
    // Nearly always the least loss is near to the relaxation's; far above it there is much to try.
    const int64_t bound = least_possible();
    if (bound >= claimed) return {.below = kNoSplit};
    for (const int64_t part : {64, 16, 4, 1}) {
      below_ = bound + std::max<int64_t>((claimed - bound) / part, 1);
      if (const int64_t found = anywhere(); found != kNoSplit) return {.below = found};
      if (choices_left_ < 0) return {.below = kNoSplit, .complete = false};
    }
    return {.below = kNoSplit};
  }

  int64_t least_possible() {
    int64_t least = kNoSplit;
    each_place([&] {
      least = std::min(least, rest_[0].loss_in(free_room(0)));
      return kNoSplit;
    });
    return least;
  }

 private:
  LossChoices choices_of(const PlanUnit& unit, const PlanDevice& device) const {
    LossChoices choices;
    const uint64_t granule = device.granule_bytes;
    for (const Precision wanted : p_.precisions) {
      const Precision precision = precision_of(unit, wanted);
      const uint64_t bytes =
          unit_weight_bytes(unit, precision, granule) + layer_kv_bytes(unit, kv_blocks_, granule);
      choices.push_back({.bytes = static_cast<int64_t>(std::min(bytes, kNoBudgetHolds)),
                         .loss = loss_units(unit.costs.at(precision).loss)});
    }
    keep_the_best(choices);
    return choices;
  }

  // visit() with the tower and the embedding at each place; stops at what is not kNoSplit. Host
  // memory, where it may be used, takes no room from layers: no other place has less loss.
  template <typename Visit>
  int64_t each_place(const Visit& visit) {
    const bool on_host = p_.embedding_on_host_allowed;
    for (int v = p_.vision ? 0 : kOnHost; v < (p_.vision ? devices_ : 0); ++v)
      for (int e = on_host ? kOnHost : 0; e < (on_host ? 0 : devices_); ++e) {
        vision_ = v;
        embedding_ = e;
        rooms_.clear();
        for (int d = 0; d < devices_; ++d) rooms_.push_back(room(d, true));
        if (const int64_t found = visit(); found != kNoSplit) return found;
      }
    return kNoSplit;
  }

  int64_t anywhere() {
    return each_place([&] {
      closed_.assign((size_t{1} << devices_) * at(layers_), kNoSplit);
      closed_[0] = 0;
      for (uint32_t used = 1; used < 1U << devices_; ++used) {
        if (has_a_twin(used)) continue;
        for (int d = 0; d < devices_; ++d) {
          if ((used >> d & 1U) == 0) continue;
          const int64_t found = append(used, d);
          if (found != kNoSplit || choices_left_ < 0) return found;
        }
      }
      return kNoSplit;
    });
  }

  // The least loss of the first `layers`, on all of `used`.
  int64_t& closed(uint32_t used, int layers) { return closed_[used * at(layers_) + at(layers)]; }

  // A stage on device `d` behind all others that are used. Whether it begins now or has begun
  // before, of choices that end at one layer only those of few bytes or little loss go on.
  int64_t append(uint32_t used, int d) {
    const uint32_t before = used ^ 1U << d;
    const int64_t room_here = rooms_[at(d)], room_behind = free_room(used);
    LossChoices open, next;
    for (int u = 0; u < layers_; ++u) {
      if (closed(before, u) != kNoSplit) open.push_back({.bytes = 0, .loss = closed(before, u)});
      next.clear();
      for (const LossChoice& choice : layer_choices_[at(d)][at(u)])
        for (const LossChoice& so_far : open)
          if (so_far.bytes + choice.bytes <= room_here)
            next.push_back({so_far.bytes + choice.bytes, so_far.loss + choice.loss});
      choices_left_ -= static_cast<int64_t>(next.size());
      if (choices_left_ < 0) return kNoSplit;
      keep_the_best(next);
      std::erase_if(next, [&](const LossChoice& so_far) {
        const int64_t rest = rest_[at(u) + 1].loss_in(room_here - so_far.bytes + room_behind);
        return rest == kNoSplit || so_far.loss + rest >= below_;
      });
      open.swap(next);
      if (u + 1 == layers_) return complete(used, d, open);
      if (!open.empty()) closed(used, u + 1) = std::min(closed(used, u + 1), open.back().loss);
    }
    return kNoSplit;
  }

  int64_t complete(uint32_t used, int d, const LossChoices& open) const {
    for (const int held : {vision_, embedding_})
      if (held != kOnHost && (used >> held & 1U) == 0 && room(held, false) < 0) return kNoSplit;
    for (const Precision head : heads_) {
      const int64_t room_with_head = room(d, true, &head);
      const int64_t head_loss = loss_units(p_.head.costs.at(head).loss);
      for (const LossChoice& choice : open)
        if (choice.bytes <= room_with_head && choice.loss + head_loss < below_)
          return choice.loss + head_loss;
    }
    return kNoSplit;
  }

  // Bytes that device `d` has left beside all but its layers.
  int64_t room(int d, bool layers, const Precision* head = nullptr) const {
    const Holds holds = {.layers = layers,
                         .head = head != nullptr,
                         .vision = d == vision_,
                         .embedding = d == embedding_};
    const PlanDevice& device = p_.devices[at(d)];
    const StageBytes beside =
        device_bytes(p_, device, holds, 0, {}, head ? *head : p_.own, kv_blocks_);
    return static_cast<int64_t>(device.budget_bytes) - static_cast<int64_t>(beside.total());
  }

  int64_t free_room(uint32_t used) const {
    int64_t total = 0;
    for (int d = 0; d < devices_; ++d)
      if ((used >> d & 1U) == 0) total += std::max<int64_t>(rooms_[at(d)], 0);
    return total;
  }

  // Whether a set with an earlier device in the place of one of these is the same for memory.
  bool has_a_twin(uint32_t used) const {
    for (int d = 1; d < devices_; ++d)
      for (int twin = 0; (used >> d & 1U) != 0 && twin < d; ++twin)
        if ((used >> twin & 1U) == 0 && alike(d, twin)) return true;
    return false;
  }
  bool alike(int a, int b) const {
    const auto plain = [&](int d) { return d != vision_ && d != embedding_; };
    const PlanDevice &x = p_.devices[at(a)], &y = p_.devices[at(b)];
    return plain(a) && plain(b) && x.budget_bytes == y.budget_bytes &&
           x.fixed_bytes == y.fixed_bytes && x.granule_bytes == y.granule_bytes;
  }

  const PlanProblem& p_;
  const int64_t kv_blocks_;
  int64_t choices_left_;
  const int devices_, layers_;
  std::vector<std::vector<LossChoices>> layer_choices_;  // [device][layer]
  std::vector<Precision> heads_;
  std::vector<Relaxation> rest_;  // [layers before]
  int vision_ = kOnHost, embedding_ = kOnHost;
  std::vector<int64_t> rooms_;   // [device] for layers; below 0: not even for what it holds
  std::vector<int64_t> closed_;  // [used devices][layers]
  int64_t below_ = kNoSplit;
};

}  // namespace

LossReplay loss_below(const PlanProblem& problem, int64_t kv_blocks, int64_t claimed,
                      int64_t most_choices) {
  return ChainReplay(problem, kv_blocks, most_choices).below(claimed);
}

int64_t least_loss_bound(const PlanProblem& problem, int64_t kv_blocks) {
  return ChainReplay(problem, kv_blocks, 0).least_possible();
}

}  // namespace tessera
