#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/block_pool.h"
#include "runtime/pipeline.h"
#include "runtime/prompt_tokens.h"

namespace tessera {

/// One sequence in a decode step.
struct DecodeRow {
  BlockTable* table;
  int32_t token;     ///< the one last generated, not yet in the cache
  int64_t position;  ///< of that token
  WantedRow wanted;  ///< `row` is set here
};

/// What the last stage brought back, per wanted row.
struct StepResult {
  bool cancelled = false;
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;  ///< empty where no row wants any
  std::vector<float> logits;            ///< [wanted, vocab], when asked for
};

/// Turns prompts and sequences into micro-batches and walks them through the pipeline. Whatever
/// happens, nothing is left in flight when a call returns.
class SequenceRunner {
 public:
  SequenceRunner(Pipeline& pipeline, int64_t chunk_tokens)
      : pipeline_(pipeline), chunk_tokens_(chunk_tokens) {}

  /// Writes the whole prompt into the cache, in chunks that follow each other through the stages,
  /// and wants the next token after its last row. `pictures` belong to prompt.pictures.
  StepResult prefill(const PromptTokens& prompt,
                     std::span<const std::unique_ptr<ImageRows>> pictures, BlockTable& table,
                     const WantedRow& wanted, bool want_logits, const CancelFlag* cancel);

  /// Writes the whole prompt into the cache and gives the logits of its rows from `first_wanted` on
  /// to `on_logits`, [rows, vocab] at a time and in order; each row has the bits that it would have
  /// as the last one of a prompt. At most limits().wanted rows walk together. False: cancelled.
  using OnLogits = std::function<void(int64_t first_row, std::span<const float> logits)>;
  bool score(const PromptTokens& prompt, std::span<const std::unique_ptr<ImageRows>> pictures,
             BlockTable& table, int64_t first_wanted, const OnLogits& on_logits,
             const CancelFlag* cancel);

  /// One token for each sequence.
  StepResult decode(std::span<const DecodeRow> rows, bool want_logits, const CancelFlag* cancel);

 private:
  class InFlight;
  void submit_chunk(InFlight& in_flight, const PromptTokens& prompt,
                    std::span<const std::unique_ptr<ImageRows>> pictures, BlockTable& table,
                    int64_t first, int64_t count, std::span<const WantedRow> wanted,
                    bool want_logits, const CancelFlag* cancel);

  Pipeline& pipeline_;
  const int64_t chunk_tokens_;
};

}  // namespace tessera
