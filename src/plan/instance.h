#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "plan/cost_model.h"
#include "plan/device_class.h"
#include "plan/problem.h"

namespace tessera {

/// Units beside the chain of layers, as bits of a set.
using OffChain = unsigned;
inline constexpr OffChain kVision = 1, kEmbedding = 2;

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 2;

/// Every unit as near to `precision` as it can be stored.
Profile uniform_profile(const PlanProblem& problem, Precision precision);

/// What the search minimises: sum + peak_weight * (largest peak), over plans whose peaks are at
/// most a cap.
///   kAnswer      sum = chunk + (answer_tokens - 1) x decode, links included; peak = a stage's
///                chunk, weight = chunks - 1: a flow shop's makespan, sum + (chunks - 1) x max,
///                to the first token, then a decode step for each further one
///   kBottleneck  peak = a stage's decode step with the link into it, weight 1; sum = 0
///   kStep        sum = decode step, links included; peak as above, to be capped, weight 0
enum class Goal : uint8_t { kAnswer, kBottleneck, kStep };

/// A device class with all its numbers for one profile, KV size and goal. Prefix arrays have
/// layers + 1 entries; a run of layers [i, j) costs prefix[j] - prefix[i].
struct ClassCosts {
  std::vector<int64_t> bytes, sum, peak;
  int64_t head_bytes = 0, head_sum = 0, head_peak = 0;
  /// Bytes left for layers (and the head) beside what the device holds: [OffChain][with head].
  std::array<std::array<int64_t, 2>, 4> room = {};
  std::array<bool, 4> side = {};             ///< a device without layers can hold these [OffChain]
  std::vector<int64_t> link_sum, link_peak;  ///< from a device of each class into one of this
  int64_t input_sum = 0, input_peak = 0;     ///< first stage, when the embedding is elsewhere
  int64_t embedding_out_sum = 0;             ///< the embedding is here, and this is not first
  int64_t vision_first_sum = 0;              ///< the vision tower is here, and this is first
  int64_t vision_out_sum = 0;                ///< it is here, and this is not first
  int64_t vision_in_sum = 0;                 ///< this is first, and it is elsewhere
  int64_t tail_sum = 0;                      ///< last stage: the token back to the host
};

/// A problem compiled for the search: all that follows from the profile, the KV blocks and the
/// goal, and nothing else. Inputs of the first stage that are made on another device pass through
/// host memory, where rows of text and of pictures (also those kept from earlier requests) are
/// put together; so each unit beside the chain has a cost of its own, whoever comes first.
struct Instance {
  Instance(const PlanProblem& problem, const std::vector<DeviceClass>& device_classes,
           const Profile& profile, int64_t kv_blocks, Goal goal);

  int layers;
  std::vector<ClassCosts> classes;
  UsedDevices used;
  int64_t peak_weight;
  bool has_vision, host_embedding;

  /// No stage on a device of class `c` with a peak up to `cap` has more layers than this.
  int longest_run(size_t c, int64_t cap) const;
  int longest_run(size_t c, int64_t cap, int64_t room) const;  ///< with that many bytes for layers

  /// The cheapest way to put `pending` on devices that are not in use; empty when there is none.
  struct Side {
    int64_t sum = 0;
    std::array<int, 2> class_of = {-1, -1};  ///< [kVision - 1], [kEmbedding - 1]; -1: not pending
  };
  std::optional<Side> place_beside(uint32_t in_use, OffChain pending) const;

  /// How a first stage may begin: what it holds itself, what others must hold, and the cost.
  struct Start {
    OffChain held = 0, pending = 0;
    int64_t sum = 0, peak = 0;
  };
  std::vector<Start> starts(size_t c) const;

  /// What holding `held` costs a later stage or a device without layers.
  int64_t held_sum(size_t c, OffChain held) const {
    return ((held & kVision) != 0 ? classes[c].vision_out_sum : 0) +
           ((held & kEmbedding) != 0 ? classes[c].embedding_out_sum : 0);
  }
};

/// A solution of an Instance.
struct Split {
  struct Stage {
    size_t device_class = 0;
    int first = 0, end = 0;  ///< layers [first, end)
    OffChain held = 0;
    int64_t sum = 0,
            peak = 0;  ///< of its layers and the head: tells precisions of equal loss apart
  };
  std::vector<Stage> stages = {};
  std::array<int, 2> side_class = {-1, -1};  ///< as Instance::Side
  int64_t sum = 0, peak = 0;
  int64_t value = kNever;
  int64_t loss = 0;  ///< 0 where the profile was given
};

}  // namespace tessera
