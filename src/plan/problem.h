#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/matmul_times.h"
#include "base/value_kind.h"
#include "tessera/plan.h"
#include "tessera/precision.h"

namespace tessera {

inline constexpr int kMaxPlanLayers = 512;
inline constexpr int kMaxPlanDevices = 64;

/// A unit at one precision.
struct UnitCost {
  uint64_t weight_bytes = 0;   ///< in memory, before rounding to the device's granule
  uint64_t read_bytes = 0;     ///< of weights, once a step
  double flops_per_token = 0;  ///< multiply and add count two; attention apart
  double loss = 0;             ///< predicted harm to the answers; 0: the model as published
};

/// So many matmuls of a unit, all alike.
struct UnitMatmuls {
  int64_t in = 0, out = 0, count = 1;
};

/// The smallest thing that is placed: a decoder layer, the output head, the token embedding, the
/// vision tower with its projector.
struct PlanUnit {
  std::string name;
  std::map<Precision, UnitCost> costs;  ///< what the unit can be stored as
  uint64_t kv_bytes_per_token = 0;      ///< decoder layers only
  double attention_flops_per_pair = 0;  ///< for each pair of a query token and a key token
  bool causal = true;                   ///< a query sees the tokens before it; else all
  double attention_values = 0;          ///< of a token's queries: heads x head size
  int64_t attention_heads = 0;
  /// f32 read or written for a token, by ValueKind.
  std::array<double, kValueKindCount> values_per_token = {};
  std::vector<UnitMatmuls> matmuls;  ///< what flops_per_token are made of
  int64_t ops = 0;                   ///< queued in a step, matmuls and attention among them
};

struct PlanDevice {
  std::string name;
  uint64_t budget_bytes = 0;   ///< all that may be used
  uint64_t fixed_bytes = 0;    ///< taken once the device is used: context, workspaces
  uint64_t granule_bytes = 1;  ///< each allocation is rounded up to a multiple
  std::array<double, kPrecisionCount> read_bytes_per_s = {};  ///< of weights stored so
  std::array<double, kPrecisionCount> flops_per_s = {};       ///< of matmuls with such weights
  /// What matmuls took, where that was measured: then the two rates above are not asked.
  MatmulTimes matmul_times = {};
  double kv_bytes_per_s = 0;         ///< keys and values, when few tokens attend
  double attention_flops_per_s = 0;  ///< when many do
  double attention_s = 0;            ///< of attention, whatever its size
  double query_value_s = 0;          ///< of each number of a query, whatever its context
  double score_s = 0;                ///< of each head's pair of a query and a key, beside its FLOP
  /// f32 read or written beside matmuls and attention, by ValueKind.
  std::array<double, kValueKindCount> values_per_s = {};
  double op_s = 0;        ///< of each op, whatever its size
  double row_s = 0;       ///< of each row of an op beside matmuls and attention
  bool measured = false;  ///< rates measured here, or from data sheets
};

/// One direction between two devices, or between a device and the host.
struct PlanLink {
  double bytes_per_s = 0;
  double latency_s = 0;
};

/// links.between[a][b]: from device a to device b; the diagonal is not read.
struct PlanLinks {
  std::vector<std::vector<PlanLink>> between;
  std::vector<PlanLink> from_host, to_host;
};

/// What the plan is made for. Tokens of pictures count into prompt_tokens.
struct Workload {
  int64_t context = 4096;   ///< tokens a sequence may have
  int64_t sequences = 1;    ///< held at once
  int64_t micro_batch = 1;  ///< sequences that step through the stages together
  int64_t prompt_tokens = 1152;
  int64_t chunk_tokens = 256;   ///< of a prompt that step together
  int64_t images = 1;           ///< in a prompt
  int64_t image_tokens = 1024;  ///< rows that one picture becomes
  int64_t answer_tokens = 128;
  int64_t running = 0;      ///< sequences that may run at once, sharing that memory; 0: `sequences`
  int64_t scored_rows = 0;  ///< of a chunk that go through the head; 0: a sequence's last alone
  int64_t edited_rows = 0;  ///< of a step whose logits penalties, biases or masks may change
  int64_t masked_rows = 0;  ///< of these that may have a mask
  int64_t logprob_rows = 0;  ///< of a step whose log probabilities may be wanted
};

/// What a device holds beside decoder layers decides how large its activation arena is.
struct Holds {
  bool layers = false, head = false, vision = false, embedding = false;

  size_t index() const {
    return (layers ? 1U : 0U) | (head ? 2U : 0U) | (vision ? 4U : 0U) | (embedding ? 8U : 0U);
  }
};

/// All that the planner knows: it sees neither tensors nor hardware. Two problems with the same
/// numbers have the same plan.
struct PlanProblem {
  std::vector<PlanUnit> layers;    ///< a chain: each stage holds a run of it
  PlanUnit head;                   ///< with the last layer
  PlanUnit embedding;              ///< any device; the host if allowed
  std::optional<PlanUnit> vision;  ///< any device
  std::vector<PlanDevice> devices;
  PlanLinks links;
  Workload workload;
  std::array<uint64_t, 16> arena_bytes = {};  ///< by Holds::index; holding more never needs less
  uint64_t hidden_bytes_per_token = 0;        ///< what crosses a link
  bool embedding_on_host_allowed = true;
  Precision own = Precision::kBF16;                        ///< the model's own
  KvFormat kv = KvFormat::kBF16;                           ///< what kv_bytes_per_token are of
  std::vector<Precision> precisions = {Precision::kBF16};  ///< the search may use; one: forced
};

/// One precision for each layer, and the head's.
struct Profile {
  std::vector<Precision> layers;
  Precision head = Precision::kBF16;
};

/// Throws Error naming the field when the numbers make no sense (no layers, a rate of 0, a device
/// without links, ...).
void validate_problem(const PlanProblem& problem);

/// The precision a unit takes when `wanted` is asked of all: the nearest at or above it that the
/// unit has, else the lowest it has. Heads and vision towers are not stored as low as layers.
Precision precision_of(const PlanUnit& unit, Precision wanted);

/// What is asked of every unit: the precision that is forced, else the model's own.
Precision asked_precision(const PlanProblem& problem);

/// KV blocks (of kKvBlockTokens, per layer) that the workload asks for.
int64_t kv_blocks_of(const Workload& workload);

}  // namespace tessera
