#include "plan/certificate_replay.h"

#include <algorithm>

#include "plan/cost_model.h"
#include "plan/index.h"
#include "plan/memory_model.h"

namespace tessera {
namespace {

// More than any budget (validate_problem); sums over 512 layers stay inside 64 bits.
constexpr uint64_t kOverAnyBudget = uint64_t{1} << 51;

// The layouts with the vision tower and the embedding at given places.
class Replay {
 public:
  Replay(const PlanProblem& problem, const std::vector<Precision>& layers, Precision head,
         const SplitCosts& costs, int64_t kv_blocks)
      : p_(problem),
        costs_(costs),
        head_(head),
        kv_blocks_(kv_blocks),
        devices_(static_cast<int>(problem.devices.size())),
        layers_(static_cast<int>(problem.layers.size())),
        bytes_(problem.devices.size(), std::vector<uint64_t>(1, 0)),
        reached_((size_t{1} << problem.devices.size()) * problem.devices.size() *
                 problem.layers.size()) {
    for (size_t d = 0; d < p_.devices.size(); ++d)
      for (size_t u = 0; u < layers.size(); ++u) {
        const uint64_t granule = p_.devices[d].granule_bytes;
        const uint64_t weights = unit_weight_bytes(p_.layers[u], layers[u], granule);
        const uint64_t kv = layer_kv_bytes(p_.layers[u], kv_blocks, granule);
        bytes_[d].push_back(bytes_[d].back() + std::min(weights + kv, kOverAnyBudget));
      }
    // Some stage takes at least the largest layer, and at least its share of them all.
    int64_t all = 0;
    for (size_t u = 0; u < layers.size(); ++u) {
      int64_t fastest = kNoSplit;
      for (const std::vector<int64_t>& peak : costs_.peak)
        fastest = std::min(fastest, peak[u + 1] - peak[u]);
      all += fastest;
      least_peak_ = std::max(least_peak_, fastest);
    }
    least_peak_ = std::max(least_peak_, (all + devices_ - 1) / devices_);
  }

  // The least value below `below`. Each pass finds the least sum under a cap; nothing between the
  // peak of its layout and the cap has a lower sum, so the next cap is just below that peak.
  int64_t least(int vision, int embedding, int64_t cap, int64_t below) {
    vision_ = vision;
    embedding_ = embedding;
    below_ = below;
    int64_t best = kNoSplit;
    for (cap_ = cap; cap_ >= least_peak_;) {
      const Reached found = cheapest();
      if (found.sum == kNoSplit) break;
      const int64_t value = found.sum + costs_.weights.peak * found.peak;
      if (value < below_) best = below_ = value;
      if (costs_.weights.peak == 0) break;
      cap_ = found.peak - 1;
    }
    return best;
  }

 private:
  struct Reached {
    int64_t sum = kNoSplit, peak = kNoSplit;

    bool operator<(const Reached& other) const {
      return sum != other.sum ? sum < other.sum : peak < other.peak;
    }
  };

  // [set of devices][last of them][layers placed, at least 1 and not all]
  Reached& reached(uint32_t used, int last, int layers) {
    return reached_[(used * at(devices_) + at(last)) * at(layers_) + at(layers)];
  }

  Reached cheapest() {
    std::fill(reached_.begin(), reached_.end(), Reached{});
    complete_ = {};
    for (int d = 0; d < devices_; ++d)
      extend({.sum = costs_.start_sum(d, vision_, embedding_), .peak = 0}, 0, d, 0,
             costs_.start_peak(d, embedding_));
    const uint32_t sets = 1U << devices_;
    for (uint32_t used = 1; used < sets; ++used)
      for (int d = 0; d < devices_; ++d)
        if ((used >> d & 1U) == 0)
          for (int layers = 1; layers < layers_; ++layers) append(used, d, layers);
    return complete_;
  }

  // A stage on device `d` behind all that use `used` and hold the first `layers`. Links that are
  // no part of a peak leave only the cheapest of them to go on from.
  void append(uint32_t used, int d, int layers) {
    Reached best;
    for (int last = 0; last < devices_; ++last) {
      if ((used >> last & 1U) == 0) continue;
      Reached from = reached(used, last, layers);
      if (from.sum == kNoSplit) continue;
      from.sum += costs_.link_sum[at(last)][at(d)];
      if (costs_.weights.peak_is_decode) {
        extend(from, used, d, layers, costs_.link_peak[at(last)][at(d)]);
      } else {
        best = std::min(best, from);
      }
    }
    if (best.sum != kNoSplit) extend(best, used, d, layers, 0);
  }

  void extend(const Reached& from, uint32_t used, int d, int first, int64_t in_peak) {
    const uint32_t now_used = used | 1U << d;
    const std::vector<int64_t>&sum = costs_.sum[at(d)], &peak = costs_.peak[at(d)];
    for (int end = first + 1; end <= layers_; ++end) {
      const uint64_t bytes = bytes_[at(d)][at(end)] - bytes_[at(d)][at(first)];
      int64_t stage_peak = in_peak + peak[at(end)] - peak[at(first)];
      Reached next = {.sum = from.sum + sum[at(end)] - sum[at(first)]};
      const bool last = end == layers_;
      if (last) {
        stage_peak += costs_.end_peak[at(d)];
        next.sum += costs_.end_sum[at(d)];
      }
      next.peak = std::max(from.peak, stage_peak);
      if (stage_peak > cap_ || !worth(next.sum) || !has_room(d, true, last, bytes)) return;
      if (!last) {
        Reached& best = reached(now_used, d, end);
        best = std::min(best, next);
      } else if (next < complete_ && others_have_room(now_used)) {
        complete_ = next;
      }
    }
  }

  bool worth(int64_t sum) const {
    return below_ == kNoSplit || sum + costs_.weights.peak * least_peak_ < below_;
  }

  bool has_room(int d, bool layers, bool head, uint64_t layer_bytes) const {
    const PlanDevice& device = p_.devices[at(d)];
    const Holds holds = {
        .layers = layers, .head = head, .vision = d == vision_, .embedding = d == embedding_};
    const StageBytes beside = device_bytes(p_, device, holds, 0, {}, head_, kv_blocks_);
    return beside.total() + layer_bytes <= device.budget_bytes;
  }

  bool others_have_room(uint32_t used) const {
    for (const int d : {vision_, embedding_})
      if (d != kOnHost && (used >> d & 1U) == 0 && !has_room(d, false, false, 0)) return false;
    return true;
  }

  const PlanProblem& p_;
  const SplitCosts& costs_;
  const Precision head_;
  const int64_t kv_blocks_;
  const int devices_, layers_;
  std::vector<std::vector<uint64_t>> bytes_;  // [device][layers before]
  std::vector<Reached> reached_;
  Reached complete_;
  int vision_ = kOnHost, embedding_ = kOnHost;
  int64_t least_peak_ = 0, cap_ = kNoSplit, below_ = kNoSplit;
};

}  // namespace

CostWeights answer_weights(const Workload& workload) {
  return {.decode = std::max<int64_t>(workload.answer_tokens - 1, 0),
          .chunk = 1,
          .head = std::max<int64_t>(workload.answer_tokens, 1),
          .pictures = workload.images,
          .peak = chunk_count(workload) - 1};
}

CostWeights step_weights() {
  return {.decode = 1, .head = 1, .peak_is_decode = true};
}

SplitCosts::SplitCosts(const PlanProblem& problem, const std::vector<Precision>& layers,
                       Precision head, const CostWeights& weights_in, int64_t micro_batch)
    : weights(weights_in) {
  const CostWeights& w = weights;
  const Pass decode = decode_pass(problem.workload, micro_batch);
  const Pass chunk = prefill_pass(problem.workload);
  const auto over = [&](const PlanLink& link, double rows) {
    return link_ns(link, rows, problem.hidden_bytes_per_token);
  };
  const auto step_link = [&](const PlanLink& link) {
    return over(link, static_cast<double>(micro_batch));
  };
  const auto link_cost = [&](const PlanLink& link) {
    return w.decode * step_link(link) + w.chunk * over(link, chunk.new_tokens);
  };
  const auto peak_of_link = [&](const PlanLink& link) {
    return w.peak_is_decode ? step_link(link) : 0;
  };
  const auto image_rows = static_cast<double>(problem.workload.image_tokens);
  const size_t devices = problem.devices.size();
  link_sum = link_peak = std::vector(devices, std::vector<int64_t>(devices, 0));
  for (size_t d = 0; d < devices; ++d) {
    const PlanDevice& device = problem.devices[d];
    std::vector<int64_t> sums = {0}, peaks = {0};
    for (size_t u = 0; u < layers.size(); ++u) {
      const int64_t decode_ns = unit_ns(problem.layers[u], layers[u], device, decode);
      const int64_t chunk_ns = unit_ns(problem.layers[u], layers[u], device, chunk);
      sums.push_back(sums.back() + w.decode * decode_ns + w.chunk * chunk_ns);
      peaks.push_back(peaks.back() + (w.peak_is_decode ? decode_ns : chunk_ns));
    }
    sum.push_back(std::move(sums));
    peak.push_back(std::move(peaks));

    const PlanLink &in = problem.links.from_host[d], &back = problem.links.to_host[d];
    const int64_t head_ns = unit_ns(problem.head, head, device, decode);
    end_sum.push_back(w.head * (head_ns + over(back, 0)));
    end_peak.push_back(w.peak_is_decode ? head_ns : 0);
    in_sum.push_back(link_cost(in));
    in_peak.push_back(peak_of_link(in));
    back_sum.push_back(link_cost(back));
    tower_sum.push_back(w.pictures * vision_ns(problem, device));
    picture_in_sum.push_back(w.pictures * over(in, image_rows));
    picture_back_sum.push_back(w.pictures * over(back, image_rows));
    for (size_t to = 0; to < devices; ++to) {
      if (to == d) continue;
      link_sum[d][to] = link_cost(problem.links.between[d][to]);
      link_peak[d][to] = peak_of_link(problem.links.between[d][to]);
    }
  }
}

int64_t SplitCosts::start_sum(int device, int vision, int embedding) const {
  int64_t total = 0;
  if (embedding != device) total += in_sum[at(device)];
  if (embedding != device && embedding != kOnHost) total += back_sum[at(embedding)];
  if (vision != kOnHost) total += tower_sum[at(vision)];
  if (vision != kOnHost && vision != device)
    total += picture_back_sum[at(vision)] + picture_in_sum[at(device)];
  return total;
}

int64_t SplitCosts::start_peak(int device, int embedding) const {
  return embedding != device ? in_peak[at(device)] : 0;
}

LayoutCost cost_of(const SplitCosts& costs, const Layout& layout) {
  LayoutCost total = {.sum = costs.start_sum(layout.devices[0], layout.vision, layout.embedding)};
  for (size_t s = 0; s < layout.devices.size(); ++s) {
    const size_t d = at(layout.devices[s]), first = s == 0 ? 0 : at(layout.ends[s - 1]);
    const size_t end = at(layout.ends[s]);
    int64_t peak = costs.peak[d][end] - costs.peak[d][first];
    total.sum += costs.sum[d][end] - costs.sum[d][first];
    if (s == 0) {
      peak += costs.start_peak(layout.devices[0], layout.embedding);
    } else {
      total.sum += costs.link_sum[at(layout.devices[s - 1])][d];
      peak += costs.link_peak[at(layout.devices[s - 1])][d];
    }
    if (s + 1 == layout.devices.size()) {
      total.sum += costs.end_sum[d];
      peak += costs.end_peak[d];
    }
    total.peak = std::max(total.peak, peak);
  }
  return total;
}

int64_t least_value(const PlanProblem& problem, const std::vector<Precision>& layers,
                    Precision head, const SplitCosts& costs, int64_t kv_blocks, int64_t cap,
                    int64_t below) {
  Replay replay(problem, layers, head, costs, kv_blocks);
  const int devices = static_cast<int>(problem.devices.size());
  int64_t best = kNoSplit;
  for (int vision = problem.vision ? 0 : kOnHost; vision < (problem.vision ? devices : 0); ++vision)
    for (int embedding = problem.embedding_on_host_allowed ? kOnHost : 0; embedding < devices;
         ++embedding)
      best = std::min(best, replay.least(vision, embedding, cap, std::min(best, below)));
  return best;
}

}  // namespace tessera
