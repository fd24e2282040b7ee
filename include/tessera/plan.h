#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/kv_format.h"
#include "tessera/precision.h"

namespace tessera {

/// What a plan is best at.
///   latency     the time to one whole answer: pictures, prefill and `answer_tokens` decode steps
///   throughput  the slowest stage of a decode step, then the sum of all within 1 %
///   context     the most tokens the KV cache can hold, then latency
enum class Objective : uint8_t { kLatency, kThroughput, kContext };

std::string_view objective_name(Objective objective);
std::optional<Objective> parse_objective(std::string_view name);

/// Bytes on one device, by kind. Each is what the device's allocator hands out: rounded up to its
/// granule, unit by unit.
struct StageBytes {
  uint64_t weights = 0;  ///< decoder layers
  uint64_t vision = 0, embedding = 0, head = 0;
  uint64_t kv = 0;
  uint64_t arena = 0;  ///< activations
  uint64_t fixed = 0;  ///< context, library workspaces

  uint64_t total() const { return weights + vision + embedding + head + kv + arena + fixed; }
  bool operator==(const StageBytes&) const = default;
};

/// What one device holds and what it is predicted to take. A stage holds a run of layers; a device
/// that holds only the vision tower or the embedding has none.
struct PlanStage {
  int device = 0;  ///< index into the list of devices that was planned for
  std::string device_name = {};
  int first_layer = 0, last_layer = -1;    ///< inclusive; last < first: no layers
  std::vector<Precision> precisions = {};  ///< one a layer
  bool vision = false, embedding = false, head = false;
  StageBytes bytes = {};
  uint64_t budget_bytes = 0;
  double decode_s = 0;         ///< one decode step of one micro-batch, head included
  double link_s = 0;           ///< its input arriving, in that step
  double prefill_chunk_s = 0;  ///< one chunk of a prompt, at half the prompt
  double prefill_link_s = 0;   ///< that chunk's input arriving
  double vision_s = 0;         ///< one picture, where the vision tower is

  int layer_count() const { return last_layer - first_layer + 1; }
  bool operator==(const PlanStage&) const = default;
};

struct PlanPrediction {
  double decode_s_per_token = 0;  ///< one sequence: the sum over stages and links
  double bottleneck_s = 0;        ///< the slowest stage with its link: one micro-batch leaves per
  double prefill_s = 0;           ///< prompt in, first token out; pictures included
  double vision_s = 0;            ///< the pictures' part of it
  double answer_s = 0;            ///< prefill_s and all of `answer_tokens`
  double tokens_per_s = 0;        ///< all sequences together, decoding

  bool operator==(const PlanPrediction&) const = default;
};

/// What no plan can beat, from relaxations that a person can check by hand.
struct PlanBound {
  double objective_s = 0;        ///< lower bound of the objective's seconds
  double water_filling_s = 0;    ///< of the slowest stage: layers cut anywhere, no links (LB1)
  double largest_unit_s = 0;     ///< of the slowest stage: its largest unit at best (LB2)
  uint64_t needed_bytes = 0;     ///< all units and KV at the precisions used (LB3) ...
  uint64_t available_bytes = 0;  ///< ... against this much on all devices

  bool operator==(const PlanBound&) const = default;
};

/// The claim of optimality, in whole nanoseconds so that sums are exact in any order. check_plan
/// (plan/certificate_checker.h) replays it with code of its own.
struct Certificate {
  int64_t value_ns = 0;       ///< the objective of this plan
  int64_t optimum_ns = 0;     ///< no plan with these precisions is below it
  int64_t bottleneck_ns = 0;  ///< throughput: no plan has a slowest stage below it
  int64_t loss = 0;           ///< sum of the units' losses, in 1e-12; no plan that fits has less
  int64_t kv_blocks = 0;      ///< the most KV blocks within 1 % of the optimum
  bool exact = true;          ///< false: the search was cut off; `optimum_ns` is a lower bound
  bool loss_exact = true;     ///< false: other device orders may fit with less loss
  bool room_exact = true;     ///< false: a plan with more KV room may exist

  bool operator==(const Certificate&) const = default;
};

/// Why the model does not fit, at the precision asked for, and what would.
struct WhyNot {
  Precision precision = Precision::kBF16;             ///< at which it does not fit
  uint64_t missing_bytes = 0;                         ///< at least this much more memory is needed
  int64_t largest_context = 0;                        ///< tokens a sequence that would fit; 0: none
  std::optional<Precision> precision_that_fits = {};  ///< the highest that fits everywhere
  int more_devices = 0;   ///< like the largest one, until it fits; 0: no hint
  std::string text = {};  ///< all of it in one line

  bool operator==(const WhyNot&) const = default;
};

/// Where each unit goes, at which precision, and what that is predicted to cost.
struct Plan {
  bool fits = false;
  Objective objective = Objective::kLatency;
  std::vector<PlanStage> stages = {};        ///< in pipeline order; empty when it does not fit
  std::vector<PlanStage> side_devices = {};  ///< without layers: vision tower or embedding alone
  int vision_device = -1;                    ///< -1: the model has no vision tower
  int embedding_device = -1;                 ///< -1: host memory
  Precision head_precision = Precision::kBF16;
  KvFormat kv = KvFormat::kBF16;       ///< of keys and values
  int64_t context = 0, sequences = 0;  ///< promised
  int64_t kv_tokens = 0;               ///< room of the KV cache as laid out: what was promised
  int64_t kv_room_tokens = 0;          ///< room if the memory left over were given to it as well
  PlanPrediction predicted = {};
  PlanBound bound = {};
  Certificate certificate = {};
  std::optional<WhyNot> why_not =
      {};  ///< also set when it fits only below the model's own precision

  bool operator==(const Plan&) const = default;
};

/// The plan as a person reads it: a table of stages, the prediction, the bound.
std::string plan_to_table(const Plan& plan);

/// A picture of the plan: per device its layers, bytes by kind and times. One SVG document without
/// outside references; follows the reader's light or dark scheme.
std::string plan_to_svg(const Plan& plan, std::string_view title);

/// One JSON object, as `tessera plan --json` prints it, and back. plan_from_text throws Error that
/// names `where` and the key when the text is not such an object; it does not check the plan
/// against devices (check_plan does).
std::string plan_to_text(const Plan& plan);
Plan plan_from_text(std::string_view text, const std::string& where);

}  // namespace tessera
