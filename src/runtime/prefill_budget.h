#pragma once

#include <cstdint>

namespace tessera {

/// What decides how many rows of prompts go into a step.
struct PrefillLoad {
  int64_t rows = 0;          ///< most of a step
  bool decoding = false;     ///< sequences wait for their next token meanwhile
  int64_t waiting_rows = 0;  ///< of all prompts
  int64_t free_blocks = 0, blocks = 0;
};

/// Rows of prompts for one step. While sequences decode, prompts are spread over about 8 steps and
/// take half of one at most, so that no token waits for a long one, and shrink as the KV cache
/// fills up, so that it does not run over: min(max(waiting_rows / 8, 32), rows / 2, rows * free
/// share beyond a reserve of 5 %). Otherwise nobody waits for a token, and a step is filled.
/// Source: gLLM (Guo et al., SC 2025), token throttling; half a step is ours.
int64_t prefill_budget(const PrefillLoad& load);

}  // namespace tessera
