#pragma once

#include <functional>
#include <span>
#include <vector>

#include "runtime/sequence_runner.h"

namespace tessera {

struct BeamResult {
  std::vector<int32_t> tokens;
  double score = 0;      ///< sum of log probabilities / number of tokens
  bool stopped = false;  ///< ended by end of text or a stop string, not by length
  bool cancelled = false;
};

struct BeamOptions {
  int64_t beams = 4;
  int64_t max_new_tokens = 0;
  /// Whether an answer of these tokens is complete (its last ends answers, or a stop string); asked
  /// once for each candidate.
  std::function<bool(std::span<const int32_t>)> ends;
};

/// The best of several continuations kept side by side, as transformers' beam search finds it
/// (length penalty 1, no early stopping): at each step the 2 B best one-token extensions are
/// ranked; those that end are kept as answers when among the first B, the best B others go on. Ends
/// when no running beam can beat the worst of B answers. Beams share the prompt's blocks.
///
///   table    of the prompt, in the cache, handed over; `position` is the prompt's length
///   logits   f32 [vocab] after the prompt
BeamResult beam_search(SequenceRunner& runner, BlockTable table, int64_t position,
                       std::span<const float> logits, const BeamOptions& options,
                       const CancelFlag* cancel);

}  // namespace tessera
