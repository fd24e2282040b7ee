#include "runtime/generation.h"

#include <random>

#include "base/clock.h"
#include "runtime/beam_search.h"

namespace tessera {
namespace {

constexpr int64_t kFirstLogits = 20;

SamplingOptions sampling_options(const Request& request) {
  return {.temperature = static_cast<float>(request.temperature),
          .top_k = request.top_k.value_or(0),
          .top_p = static_cast<float>(request.top_p.value_or(1))};
}

uint64_t seed_of(const Request& request) {
  if (request.seed) return *request.seed;
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

bool Generation::give_out(const std::string& piece) const {
  return piece.empty() || !on_text_ || on_text_(piece);
}

void Generation::run(const PromptTokens& prompt,
                     std::span<const std::unique_ptr<ImageRows>> pictures, int64_t max_new_tokens,
                     Answer& answer) {
  const double start = now_s();
  Sampler sampler(seed_of(request_));
  BlockTable table(blocks_);
  const StepResult first = runner_.prefill(
      prompt, pictures, table, {.draw = sampler.draw(sampling_options(request_))}, true, cancel_);
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

void Generation::sample_on(BlockTable& table, int64_t position, int32_t token, Sampler& sampler,
                           int64_t max_new_tokens, Answer& answer) {
  AnswerText text(tokenizer_, stops_);
  const SamplingOptions options = sampling_options(request_);
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
    const DecodeRow row{.table = &table,
                        .token = token,
                        .position = position++,
                        .wanted = {.draw = sampler.draw(options)}};
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
