#include "plan/instance.h"

#include <algorithm>

#include "plan/memory_model.h"

namespace tessera {
namespace {

// More than any budget (validate_problem), and 512 of them stay inside 63 bits.
constexpr uint64_t kTooManyBytes = uint64_t{1} << 51;

int64_t clamp_bytes(uint64_t bytes) {
  return static_cast<int64_t>(std::min(bytes, kTooManyBytes));
}

// How a goal weighs one pass of decode and one chunk of prefill.
struct Weights {
  int64_t decode = 0, chunk = 0;
  int64_t head = 0;  ///< passes of the head and returns of a token
  bool peak_is_decode = true;
};

Weights weights_of(Goal goal, const Workload& workload) {
  switch (goal) {
    case Goal::kAnswer:
      // The prompt's last chunk yields the first token.
      return {.decode = std::max<int64_t>(workload.answer_tokens - 1, 0),
              .chunk = 1,
              .head = std::max<int64_t>(workload.answer_tokens, 1),
              .peak_is_decode = false};
    case Goal::kBottleneck:
      return {};
    case Goal::kStep:
      return {.decode = 1, .head = 1};
  }
  return {};
}

int64_t link_in_chunk(const PlanProblem& p, const PlanLink& link) {
  return link_ns(link, prefill_pass(p.workload).new_tokens, p.hidden_bytes_per_token);
}

class Compiler {
 public:
  Compiler(const PlanProblem& problem, const Profile& profile, int64_t kv_blocks, Goal goal)
      : p_(problem),
        profile_(profile),
        kv_blocks_(kv_blocks),
        goal_(goal),
        weights_(weights_of(goal, problem.workload)),
        micro_batch_(goal == Goal::kAnswer ? 1 : problem.workload.micro_batch) {}

  ClassCosts compile(size_t device, const std::vector<DeviceClass>& classes) const {
    ClassCosts out;
    fill_layers(p_.devices[device], out);
    fill_rooms(p_.devices[device], out);
    fill_links(device, classes, out);
    return out;
  }

 private:
  int64_t decode_link(const PlanLink& link) const {
    return link_ns(link, static_cast<double>(micro_batch_), p_.hidden_bytes_per_token);
  }
  int64_t link_cost(const PlanLink& link) const {
    return weights_.decode * decode_link(link) +
           (weights_.chunk != 0 ? weights_.chunk * link_in_chunk(p_, link) : 0);
  }

  void fill_layers(const PlanDevice& device, ClassCosts& out) const {
    const Pass decode = decode_pass(p_.workload, micro_batch_);
    const Pass chunk = prefill_pass(p_.workload);
    out.bytes = out.sum = out.peak = {0};
    for (size_t u = 0; u < p_.layers.size(); ++u) {
      const PlanUnit& layer = p_.layers[u];
      const Precision precision = profile_.layers[u];
      const int64_t decode_ns = unit_ns(layer, precision, device, decode);
      const int64_t chunk_ns = unit_ns(layer, precision, device, chunk);
      out.bytes.push_back(out.bytes.back() +
                          clamp_bytes(unit_weight_bytes(layer, precision, device.granule_bytes)) +
                          clamp_bytes(layer_kv_bytes(layer, kv_blocks_, device.granule_bytes)));
      out.sum.push_back(out.sum.back() + weights_.decode * decode_ns + weights_.chunk * chunk_ns);
      out.peak.push_back(out.peak.back() + (weights_.peak_is_decode ? decode_ns : chunk_ns));
    }
    const int64_t head_ns = unit_ns(p_.head, profile_.head, device, decode);
    out.head_bytes = clamp_bytes(unit_weight_bytes(p_.head, profile_.head, device.granule_bytes));
    out.head_sum = weights_.head * head_ns;
    out.head_peak = weights_.peak_is_decode ? head_ns : 0;
  }

  void fill_rooms(const PlanDevice& device, ClassCosts& out) const {
    for (OffChain held = 0; held < 4; ++held) {
      const auto left = [&](bool layers, bool head) {
        const Holds holds = {.layers = layers,
                             .head = head,
                             .vision = (held & kVision) != 0,
                             .embedding = (held & kEmbedding) != 0};
        const StageBytes taken = device_bytes(p_, device, holds, 0, {}, profile_.head, kv_blocks_);
        return static_cast<int64_t>(device.budget_bytes) -
               static_cast<int64_t>(taken.total() - taken.head);
      };
      out.room[held] = {left(true, false), left(true, true)};
      out.side[held] = left(false, false) >= 0;
    }
  }

  void fill_links(size_t device, const std::vector<DeviceClass>& classes, ClassCosts& out) const {
    const PlanLinks& links = p_.links;
    for (const DeviceClass& from : classes) {
      // From another member of its own class where there is one; else never used.
      const auto other = std::find_if(from.members.begin(), from.members.end(),
                                      [&](int d) { return static_cast<size_t>(d) != device; });
      const bool exists = other != from.members.end();
      const PlanLink link =
          exists ? links.between[static_cast<size_t>(*other)][device] : PlanLink{.bytes_per_s = 1};
      out.link_sum.push_back(exists ? link_cost(link) : 0);
      out.link_peak.push_back(exists && weights_.peak_is_decode ? decode_link(link) : 0);
    }
    const PlanLink& in = links.from_host[device];
    const PlanLink& back = links.to_host[device];
    out.input_sum = link_cost(in);
    out.input_peak = weights_.peak_is_decode ? decode_link(in) : 0;
    out.embedding_out_sum = link_cost(back);
    out.tail_sum = weights_.head * link_ns(back, 0, 0);
    if (goal_ == Goal::kAnswer && p_.vision) {
      const auto rows = static_cast<double>(p_.workload.image_tokens);
      const int64_t tower_ns = vision_ns(p_, p_.devices[device]);
      out.vision_first_sum = p_.workload.images * tower_ns;
      out.vision_out_sum =
          p_.workload.images * (tower_ns + link_ns(back, rows, p_.hidden_bytes_per_token));
      out.vision_in_sum = p_.workload.images * link_ns(in, rows, p_.hidden_bytes_per_token);
    }
  }

  const PlanProblem& p_;
  const Profile& profile_;
  int64_t kv_blocks_;
  Goal goal_;
  Weights weights_;
  int64_t micro_batch_;
};

}  // namespace

Profile uniform_profile(const PlanProblem& problem, Precision precision) {
  Profile profile;
  for (const PlanUnit& layer : problem.layers)
    profile.layers.push_back(precision_of(layer, precision));
  profile.head = precision_of(problem.head, precision);
  return profile;
}

Instance::Instance(const PlanProblem& problem, const std::vector<DeviceClass>& device_classes,
                   const Profile& profile, int64_t kv_blocks, Goal goal)
    : layers(static_cast<int>(problem.layers.size())),
      used(device_classes),
      peak_weight(goal == Goal::kAnswer       ? chunk_count(problem.workload) - 1
                  : goal == Goal::kBottleneck ? 1
                                              : 0),
      has_vision(problem.vision.has_value()),
      host_embedding(problem.embedding_on_host_allowed) {
  const Compiler compiler(problem, profile, kv_blocks, goal);
  for (const DeviceClass& c : device_classes)
    classes.push_back(compiler.compile(static_cast<size_t>(c.members.front()), device_classes));
}

int Instance::longest_run(size_t c, int64_t cap) const {
  const ClassCosts& costs = classes[c];
  int64_t room = 0;  // whatever it holds: an arena table need not grow with what is held
  for (const auto& [without_head, with_head] : costs.room)
    room = std::max({room, without_head, with_head});
  return longest_run(c, cap, room);
}

int Instance::longest_run(size_t c, int64_t cap, int64_t room) const {
  const ClassCosts& costs = classes[c];
  int longest = 0;
  size_t first = 0;
  for (size_t end = 1; end < costs.bytes.size(); ++end) {
    while (first < end && (costs.bytes[end] - costs.bytes[first] > room ||
                           costs.peak[end] - costs.peak[first] > cap))
      ++first;
    longest = std::max(longest, static_cast<int>(end - first));
  }
  return longest;
}

std::vector<Instance::Start> Instance::starts(size_t c) const {
  const ClassCosts& costs = classes[c];
  // Host memory beats any other device but the first stage's: the rows pass through it anyway.
  const OffChain elsewhere = host_embedding ? 0 : kEmbedding;
  std::vector<Start> out = {
      {.held = kEmbedding},
      {.pending = elsewhere, .sum = costs.input_sum, .peak = costs.input_peak}};
  if (!has_vision) return out;
  std::vector<Start> with_vision;
  for (const Start& start : out) {
    Start here = start, there = start;
    here.held |= kVision;
    here.sum += costs.vision_first_sum;
    there.pending |= kVision;
    there.sum += costs.vision_in_sum;
    with_vision.push_back(here);
    with_vision.push_back(there);
  }
  return with_vision;
}

std::optional<Instance::Side> Instance::place_beside(uint32_t in_use, OffChain pending) const {
  if (pending == 0) return Side{};
  std::optional<Side> best;
  const auto consider = [&](const Side& side) {
    if (!best || side.sum < best->sum) best = side;
  };
  for (size_t c = 0; c < classes.size(); ++c) {
    if (used.free(in_use, c) == 0) continue;
    const int here = static_cast<int>(c);
    if (classes[c].side[pending])
      consider({.sum = held_sum(c, pending),
                .class_of = {(pending & kVision) != 0 ? here : -1,
                             (pending & kEmbedding) != 0 ? here : -1}});
    if (pending != (kVision | kEmbedding) || !classes[c].side[kVision]) continue;
    for (size_t other = 0; other < classes.size(); ++other)
      if (used.free(in_use, other) > (other == c ? 1 : 0) && classes[other].side[kEmbedding])
        consider({.sum = held_sum(c, kVision) + held_sum(other, kEmbedding),
                  .class_of = {here, static_cast<int>(other)}});
  }
  return best;
}

}  // namespace tessera
