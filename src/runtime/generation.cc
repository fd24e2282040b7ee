#include "runtime/generation.h"

#include "base/clock.h"
#include "runtime/beam_search.h"

namespace tessera {
namespace {

constexpr int64_t kFirstLogits = 20;

}  // namespace

bool Generation::give_out(const std::string& piece) const {
  return piece.empty() || !on_text_ || on_text_(piece);
}

void Generation::run(const PromptTokens& prompt,
                     std::span<const std::unique_ptr<ImageRows>> pictures, int64_t max_new_tokens,
                     Answer& answer) {
  const double start = now_s();
  TokenSampler sampler(request_, prompt.prompt_ids);
  BlockTable table(blocks_);
  const StepResult first = runner_.prefill(prompt, pictures, table, sampler.next(), true, cancel_);
  answer.timings.prefill_s = now_s() - start;
  if (first.cancelled) {
    answer.finish_reason = FinishReason::kCancelled;
    return;
  }
  for (const TokenLogit& top : top_logits(first.logits, kFirstLogits))
    answer.first_logits.emplace_back(top.token, top.logit);

  const double decode_start = now_s();
  const auto position = static_cast<int64_t>(prompt.ids.size());
  if (request_.beams > 1) {
    search_beams(std::move(table), position, first.logits, max_new_tokens, answer);
  } else {
    sample_on(table, position, first.tokens.front(), sampler, max_new_tokens, answer);
  }
  answer.timings.decode_s = now_s() - decode_start;
}

void Generation::sample_on(BlockTable& table, int64_t position, int32_t token,
                           TokenSampler& sampler, int64_t max_new_tokens, Answer& answer) {
  AnswerText text(tokenizer_, stops_);
  answer.finish_reason = FinishReason::kLength;
  while (true) {
    answer.token_ids.push_back(token);
    if (is_end(token)) {
      answer.finish_reason = FinishReason::kStop;
      break;
    }
    const bool wanted_more = give_out(text.push(token));
    if (text.stopped()) {
      answer.finish_reason = FinishReason::kStop;
      break;
    }
    if (!wanted_more || cancelled()) {
      answer.finish_reason = FinishReason::kCancelled;
      break;
    }
    if (static_cast<int64_t>(answer.token_ids.size()) == max_new_tokens) break;
    sampler.accept(token);
    const DecodeRow row{
        .table = &table, .token = token, .position = position++, .wanted = sampler.next()};
    const StepResult step = runner_.decode({&row, 1}, false, cancel_);
    if (step.cancelled) {
      answer.finish_reason = FinishReason::kCancelled;
      break;
    }
    token = step.tokens.front();
  }
  give_out(text.finish());
  answer.text = text.text();
}

void Generation::search_beams(BlockTable table, int64_t position, std::span<const float> logits,
                              int64_t max_new_tokens, Answer& answer) {
  const auto text_of = [&](std::span<const int32_t> tokens) {
    AnswerText text(tokenizer_, stops_);
    for (const int32_t token : tokens)
      if (!is_end(token)) text.push(token);
    return text;
  };
  const BeamOptions options{.beams = request_.beams,
                            .max_new_tokens = max_new_tokens,
                            .ends = [&](std::span<const int32_t> tokens) {
                              return is_end(tokens.back()) || text_of(tokens).stopped();
                            }};
  BeamResult best = beam_search(runner_, std::move(table), position, logits, options, cancel_);
  answer.finish_reason = best.cancelled ? FinishReason::kCancelled
                         : best.stopped ? FinishReason::kStop
                                        : FinishReason::kLength;
  AnswerText text = text_of(best.tokens);
  text.finish();
  answer.text = text.text();
  answer.token_ids = std::move(best.tokens);
  answer.beam_score = best.score;
  give_out(answer.text);
}

}  // namespace tessera
