#include "plan/cost_model.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

// 100 s for one unit: a device that slow is never chosen, and sums stay inside 63 bits.
constexpr double kMaxUnitNs = 1e11;

int64_t to_ns(double seconds) {
  return static_cast<int64_t>(std::llround(std::clamp(seconds * 1e9, 0.0, kMaxUnitNs)));
}

double matmuls_s(const PlanUnit& unit, Precision precision, const PlanDevice& device,
                 double tokens) {
  if (device.matmul_times.measured()) {
    double seconds = 0;
    for (const UnitMatmuls& shape : unit.matmuls)
      seconds += static_cast<double>(shape.count) *
                 device.matmul_times.at(precision, tokens, static_cast<double>(shape.in),
                                        static_cast<double>(shape.out));
    return seconds;
  }
  const UnitCost& cost = unit.costs.at(precision);
  const auto index = static_cast<size_t>(precision);
  return std::max(static_cast<double>(cost.read_bytes) / device.read_bytes_per_s[index],
                  cost.flops_per_token * tokens / device.flops_per_s[index]);
}

double attention_s(const PlanUnit& unit, const PlanDevice& device, const Pass& pass) {
  if (unit.attention_flops_per_pair <= 0 && unit.kv_bytes_per_token == 0) return 0;
  const double tokens = pass.sequences * pass.new_tokens;
  const double kv = pass.sequences * (pass.past_tokens + pass.new_tokens) *
                    static_cast<double>(unit.kv_bytes_per_token);
  const double seen = unit.causal ? pass.past_tokens + pass.new_tokens / 2 : pass.new_tokens;
  const double pairs = tokens * seen;  // queries and keys
  const double multiplied = unit.attention_flops_per_pair * pairs / device.attention_flops_per_s +
                            static_cast<double>(unit.attention_heads) * pairs * device.score_s +
                            unit.attention_values * tokens * device.query_value_s;
  return device.attention_s + std::max(kv / device.kv_bytes_per_s, multiplied);
}

// Where matmuls were timed as a whole, and attention, their ops' own time is in theirs.
int64_t other_ops(const PlanUnit& unit, const PlanDevice& device) {
  if (!device.matmul_times.measured()) return unit.ops;
  int64_t ops = unit.ops;
  for (const UnitMatmuls& shape : unit.matmuls) ops -= shape.count;
  return std::max<int64_t>(ops, 0);
}

}  // namespace

Pass decode_pass(const Workload& workload, int64_t micro_batch) {
  const double middle =
      static_cast<double>(workload.prompt_tokens) + static_cast<double>(workload.answer_tokens) / 2;
  return {.sequences = static_cast<double>(micro_batch),
          .new_tokens = 1,
          .past_tokens = std::min(middle, static_cast<double>(workload.context))};
}

int64_t chunk_count(const Workload& workload) {
  return std::max<int64_t>(
      1, (workload.prompt_tokens + workload.chunk_tokens - 1) / workload.chunk_tokens);
}

Pass prefill_pass(const Workload& workload) {
  const auto prompt = static_cast<double>(workload.prompt_tokens);
  const double chunk = prompt / static_cast<double>(chunk_count(workload));
  return {.sequences = 1, .new_tokens = chunk, .past_tokens = (prompt - chunk) / 2};
}

int64_t unit_ns(const PlanUnit& unit, Precision precision, const PlanDevice& device,
                const Pass& pass) {
  const double tokens = pass.sequences * pass.new_tokens;
  double others =
      static_cast<double>(other_ops(unit, device)) * (device.op_s + tokens * device.row_s);
  for (size_t kind = 0; kind < kValueKindCount; ++kind)
    others += unit.values_per_token[kind] * tokens / device.values_per_s[kind];
  return to_ns(matmuls_s(unit, precision, device, tokens) + attention_s(unit, device, pass) +
               others);
}

int64_t vision_ns(const PlanProblem& problem, const PlanDevice& device) {
  if (!problem.vision) return 0;
  const Pass pass = {.new_tokens = static_cast<double>(problem.workload.image_tokens)};
  return unit_ns(*problem.vision, precision_of(*problem.vision, problem.own), device, pass);
}

int64_t link_ns(const PlanLink& link, double tokens, uint64_t hidden_bytes_per_token) {
  const double bytes = tokens * static_cast<double>(hidden_bytes_per_token);
  return to_ns(link.latency_s + bytes / link.bytes_per_s);
}

int64_t loss_units(double loss) {
  return static_cast<int64_t>(std::llround(loss * 1e12));
}

}  // namespace tessera
