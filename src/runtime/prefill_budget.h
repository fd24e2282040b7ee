#pragma once

#include <cstdint>
#include <optional>

namespace tessera {

/// While sequences decode, a step is to take at most this many times as long as without prompts:
/// the longest gap between tokens is then about three times the usual one.
inline constexpr double kLongestStep = 3;

/// What decides how many rows of prompts go into a step.
struct PrefillLoad {
  int64_t rows = 0;          ///< most of a step
  bool decoding = false;     ///< sequences wait for their next token meanwhile
  int64_t waiting_rows = 0;  ///< of all prompts
  /// That keep this step within kLongestStep (step_cost.h); none where that is not known yet.
  std::optional<int64_t> rows_in_time = {};
  int64_t free_blocks = 0, blocks = 0;
};

/// Rows of prompts for one step. While sequences decode, prompts are spread over about 8 steps, so
/// that no token waits for a long one, or over up to 32, where that keeps a step within
/// kLongestStep; more steps would cost those who wait more than it gives to those who read. They
/// take half of a step at most, and shrink as the KV cache fills up, so that it does not run over:
/// min(max(min(waiting_rows / 8, rows_in_time), waiting_rows / 32, 32), rows / 2, rows * free share
/// beyond a reserve of 5 %). Otherwise nobody waits for a token, and a step is filled.
/// Source: gLLM (Guo et al., SC 2025), token throttling; time and half a step are ours.
int64_t prefill_budget(const PrefillLoad& load);

}  // namespace tessera
