#include "plan/plan_builder.h"

#include <algorithm>

#include "plan/memory_model.h"

namespace tessera {
namespace {

class Builder {
 public:
  Builder(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
          const Profile& profile, int64_t kv_blocks, Objective objective)
      : p_(problem),
        classes_(classes),
        profile_(profile),
        kv_blocks_(kv_blocks),
        next_member_(classes.size()) {
    plan_.fits = true;
    plan_.objective = objective;
    plan_.head_precision = profile.head;
    plan_.sequences = p_.workload.sequences;
    plan_.kv = p_.kv;
    plan_.kv_tokens = kv_blocks * kKvBlockTokens;
    plan_.context = objective == Objective::kContext
                        ? kv_blocks / p_.workload.sequences * kKvBlockTokens
                        : p_.workload.context;
    micro_batch_ = objective == Objective::kThroughput ? p_.workload.micro_batch : 1;
  }

  Plan build(const Split& split) {
    for (const Split::Stage& stage : split.stages) add_stage(stage);
    add_side_devices(split.side_class);
    plan_.stages.back().head = true;
    for (PlanStage& stage : plan_.stages) fill_bytes(stage);
    for (PlanStage& stage : plan_.side_devices) fill_bytes(stage);
    fill_times();
    plan_.kv_room_tokens = kv_room() * kKvBlockTokens;
    predict();
    return std::move(plan_);
  }

 private:
  int take_device(size_t device_class) {
    return classes_[device_class].members[next_member_[device_class]++];
  }

  PlanStage stage_on(int device, OffChain held) {
    const PlanDevice& d = p_.devices[static_cast<size_t>(device)];
    if ((held & kVision) != 0) plan_.vision_device = device;
    if ((held & kEmbedding) != 0) plan_.embedding_device = device;
    return {.device = device,
            .device_name = d.name,
            .vision = (held & kVision) != 0,
            .embedding = (held & kEmbedding) != 0,
            .budget_bytes = d.budget_bytes};
  }

  void add_stage(const Split::Stage& from) {
    PlanStage stage = stage_on(take_device(from.device_class), from.held);
    stage.first_layer = from.first;
    stage.last_layer = from.end - 1;
    stage.precisions.assign(profile_.layers.begin() + from.first,
                            profile_.layers.begin() + from.end);
    plan_.stages.push_back(std::move(stage));
  }

  void add_side_devices(const std::array<int, 2>& side_class) {
    const int vision = side_class[kVision - 1], embedding = side_class[kEmbedding - 1];
    const bool together = vision >= 0 && vision == embedding && holds_both(vision);
    if (vision >= 0)
      plan_.side_devices.push_back(stage_on(take_device(static_cast<size_t>(vision)),
                                            together ? kVision | kEmbedding : kVision));
    if (embedding >= 0 && !together)
      plan_.side_devices.push_back(
          stage_on(take_device(static_cast<size_t>(embedding)), kEmbedding));
  }

  bool holds_both(int device_class) const {
    const auto d = static_cast<size_t>(classes_[static_cast<size_t>(device_class)].members[0]);
    const StageBytes bytes = device_bytes(p_, p_.devices[d], {.vision = true, .embedding = true}, 0,
                                          {}, profile_.head, kv_blocks_);
    return bytes.total() <= p_.devices[d].budget_bytes;
  }

  static Holds holds_of(const PlanStage& stage) {
    return {.layers = stage.layer_count() > 0,
            .head = stage.head,
            .vision = stage.vision,
            .embedding = stage.embedding};
  }

  StageBytes bytes_of(const PlanStage& stage, int64_t kv_blocks) const {
    return device_bytes(p_, p_.devices[static_cast<size_t>(stage.device)], holds_of(stage),
                        stage.first_layer, stage.precisions, profile_.head, kv_blocks);
  }

  void fill_bytes(PlanStage& stage) const {
    stage.bytes = bytes_of(stage, kv_blocks_);
    if (stage.vision)
      stage.vision_s = seconds_of(vision_ns(p_, p_.devices[static_cast<size_t>(stage.device)]));
  }

  // The most blocks with which every stage stays inside its budget.
  int64_t kv_room() const {
    const auto fits = [&](int64_t blocks) {
      return std::all_of(plan_.stages.begin(), plan_.stages.end(), [&](const PlanStage& stage) {
        return bytes_of(stage, blocks).total() <= stage.budget_bytes;
      });
    };
    int64_t low = kv_blocks_, high = kv_blocks_ + 1;
    while (high < (int64_t{1} << 32) && fits(high)) high *= 2;
    while (low + 1 < high) {
      const int64_t middle = low + (high - low) / 2;
      (fits(middle) ? low : high) = middle;
    }
    return low;
  }

  void fill_times() {
    const Pass decode = decode_pass(p_.workload, micro_batch_);
    const Pass chunk = prefill_pass(p_.workload);
    for (size_t s = 0; s < plan_.stages.size(); ++s) {
      PlanStage& stage = plan_.stages[s];
      const auto d = static_cast<size_t>(stage.device);
      int64_t decode_ns = 0, chunk_ns = 0;
      for (int layer = stage.first_layer; layer <= stage.last_layer; ++layer) {
        const auto u = static_cast<size_t>(layer);
        decode_ns += unit_ns(p_.layers[u], profile_.layers[u], p_.devices[d], decode);
        chunk_ns += unit_ns(p_.layers[u], profile_.layers[u], p_.devices[d], chunk);
      }
      if (stage.head) decode_ns += unit_ns(p_.head, profile_.head, p_.devices[d], decode);
      stage.decode_s = seconds_of(decode_ns);
      stage.prefill_chunk_s = seconds_of(chunk_ns);
      fill_link(stage, s == 0 ? -1 : plan_.stages[s - 1].device, chunk);
    }
  }

  void fill_link(PlanStage& stage, int from, const Pass& chunk) const {
    const auto d = static_cast<size_t>(stage.device);
    if (from < 0 && stage.embedding) return;  // its input is made here
    const PlanLink& link =
        from < 0 ? p_.links.from_host[d] : p_.links.between[static_cast<size_t>(from)][d];
    const auto rows = static_cast<double>(micro_batch_);
    stage.link_s = seconds_of(link_ns(link, rows, p_.hidden_bytes_per_token));
    stage.prefill_link_s = seconds_of(link_ns(link, chunk.new_tokens, p_.hidden_bytes_per_token));
  }

  // Rows that are made on a device other than the first stage's come back through the host.
  double way_back(int device, double tokens) const {
    const PlanLink& link = p_.links.to_host[static_cast<size_t>(device)];
    return seconds_of(link_ns(link, tokens, p_.hidden_bytes_per_token));
  }

  double vision_seconds() const {
    if (!p_.vision) return 0;
    const auto v = static_cast<size_t>(plan_.vision_device);
    const auto first = static_cast<size_t>(plan_.stages.front().device);
    const auto rows = static_cast<double>(p_.workload.image_tokens);
    double seconds = seconds_of(vision_ns(p_, p_.devices[v]));
    if (v != first)
      seconds += way_back(plan_.vision_device, rows) +
                 seconds_of(link_ns(p_.links.from_host[first], rows, p_.hidden_bytes_per_token));
    return seconds * static_cast<double>(p_.workload.images);
  }

  void predict() {
    PlanPrediction& out = plan_.predicted;
    double chunk_sum = 0, chunk_max = 0, step = 0;
    for (const PlanStage& stage : plan_.stages) {
      step += stage.decode_s + stage.link_s;
      out.bottleneck_s = std::max(out.bottleneck_s, stage.decode_s + stage.link_s);
      chunk_sum += stage.prefill_chunk_s + stage.prefill_link_s;
      chunk_max = std::max(chunk_max, stage.prefill_chunk_s);
    }
    const int embedding = plan_.embedding_device;
    if (embedding >= 0 && embedding != plan_.stages.front().device) {
      step += way_back(embedding, static_cast<double>(micro_batch_));
      chunk_sum += way_back(embedding, prefill_pass(p_.workload).new_tokens);
    }
    const PlanStage& last = plan_.stages.back();
    const PlanDevice& last_device = p_.devices[static_cast<size_t>(last.device)];
    const double tail = way_back(last.device, 0);
    const double head = seconds_of(
        unit_ns(p_.head, profile_.head, last_device, decode_pass(p_.workload, micro_batch_)));
    const auto chunks = static_cast<double>(chunk_count(p_.workload));
    const auto further = static_cast<double>(std::max<int64_t>(p_.workload.answer_tokens - 1, 0));

    out.decode_s_per_token = step + tail;
    out.vision_s = vision_seconds();
    out.prefill_s = out.vision_s + chunk_sum + (chunks - 1) * chunk_max + head + tail;
    out.answer_s = out.prefill_s + further * out.decode_s_per_token;
    // A closed loop of micro-batches: each walks all stages, the slowest stage takes them in turn.
    const double batch = static_cast<double>(micro_batch_);
    const double in_flight =
        static_cast<double>(std::max<int64_t>(p_.workload.sequences / micro_batch_, 1));
    if (out.bottleneck_s > 0)
      out.tokens_per_s = batch * std::min(in_flight / out.decode_s_per_token, 1 / out.bottleneck_s);
  }

  const PlanProblem& p_;
  const std::vector<DeviceClass>& classes_;
  const Profile& profile_;
  const int64_t kv_blocks_;
  std::vector<size_t> next_member_;
  int64_t micro_batch_ = 1;
  Plan plan_;
};

}  // namespace

Plan build_plan(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                const Profile& profile, const Split& split, int64_t kv_blocks,
                Objective objective) {
  return Builder(problem, classes, profile, kv_blocks, objective).build(split);
}

}  // namespace tessera
