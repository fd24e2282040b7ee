#pragma once

#include <cstdint>

#include "plan/problem.h"

/// How long things take, in whole nanoseconds: integers add to the same sum in any order, so that
/// the search, its certificate and the checker agree to the last digit.
///
/// A unit is two rooflines (Williams 2009), one after the other, and what no roofline has: matmuls,
/// the larger of reading the weights and multiplying; attention, the larger of reading keys and
/// values and multiplying; norms and activations by their values; and a time for every op.

namespace tessera {

/// One pass of tokens through the model.
struct Pass {
  double sequences = 1;
  double new_tokens = 1;   ///< of each sequence
  double past_tokens = 0;  ///< of each sequence, in the KV cache
};

/// One micro-batch of a decode step, at the middle of the answer.
Pass decode_pass(const Workload& workload, int64_t micro_batch);

/// The average chunk of a prompt.
Pass prefill_pass(const Workload& workload);

/// Chunks in a prompt; at least 1.
int64_t chunk_count(const Workload& workload);

/// A decoder layer or the head. The head sees one token of each sequence in any pass.
int64_t unit_ns(const PlanUnit& unit, Precision precision, const PlanDevice& device,
                const Pass& pass);

/// One picture through the vision tower.
int64_t vision_ns(const PlanProblem& problem, const PlanDevice& device);

/// `tokens` rows of activations over a link.
int64_t link_ns(const PlanLink& link, double tokens, uint64_t hidden_bytes_per_token);

/// Losses as integers, in 1e-12.
int64_t loss_units(double loss);

constexpr double seconds_of(int64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}

}  // namespace tessera
