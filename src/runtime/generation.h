#pragma once

#include <algorithm>

#include "runtime/answer_text.h"
#include "runtime/sequence_runner.h"
#include "runtime/token_sampler.h"
#include "tessera/engine.h"

namespace tessera {

/// One request on its way: prompt in, tokens out. Lives on the thread that asked.
class Generation {
 public:
  Generation(SequenceRunner& runner, BlockPool& blocks, const Tokenizer& tokenizer,
             std::vector<int32_t> ends, std::vector<std::string> stops, const Request& request,
             const Engine::OnText& on_text, const CancelFlag* cancel)
      : runner_(runner),
        blocks_(blocks),
        tokenizer_(tokenizer),
        ends_(std::move(ends)),
        stops_(std::move(stops)),
        request_(request),
        on_text_(on_text),
        cancel_(cancel) {}

  /// Fills text, token_ids, finish_reason, first_logits, beam_score and the times of prefill and
  /// decode. `max_new_tokens` already respects the context.
  void run(const PromptTokens& prompt, std::span<const std::unique_ptr<ImageRows>> pictures,
           int64_t max_new_tokens, Answer& answer);

 private:
  void sample_on(BlockTable& table, int64_t position, int32_t token, TokenSampler& sampler,
                 int64_t max_new_tokens, Answer& answer);
  void search_beams(BlockTable table, int64_t position, std::span<const float> logits,
                    int64_t max_new_tokens, Answer& answer);
  bool cancelled() const { return cancel_ != nullptr && cancel_->cancelled(); }
  bool give_out(const std::string& piece) const;
  bool is_end(int32_t token) const { return std::ranges::count(ends_, token) > 0; }

  SequenceRunner& runner_;
  BlockPool& blocks_;
  const Tokenizer& tokenizer_;
  const std::vector<int32_t> ends_;  // tokens that end an answer
  const std::vector<std::string> stops_;
  const Request& request_;
  const Engine::OnText& on_text_;
  const CancelFlag* cancel_;
};

}  // namespace tessera
