#include "runtime/check_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "ops/token_logprobs.h"

namespace tessera {
namespace {

[[noreturn]] void refuse(std::string where, std::string expected, std::string found,
                         std::string hint = {}) {
  throw UsageError({.where = std::move(where),
                    .expected = std::move(expected),
                    .found = std::move(found),
                    .hint = std::move(hint)});
}

template <typename T>
void require(bool holds, const char* where, const char* expected, const T& found) {
  if (!holds) refuse(where, expected, fmt::format("{}", found));
}

// Comparisons are written so that NaN fails.
void check_sampling(const Request& r) {
  require(r.temperature >= 0 && r.temperature <= 100, "temperature", "0 to 100", r.temperature);
  if (r.top_p) require(*r.top_p > 0 && *r.top_p <= 1, "top_p", "above 0, at most 1", *r.top_p);
  if (r.top_k) require(*r.top_k > 0, "top_k", "1 or more", *r.top_k);
  require(r.min_p >= 0 && r.min_p <= 1, "min_p", "0 to 1", r.min_p);
  require(r.repetition_penalty >= 0.01 && r.repetition_penalty <= 100, "repetition_penalty",
          "0.01 to 100", r.repetition_penalty);
  require(r.frequency_penalty >= -2 && r.frequency_penalty <= 2, "frequency_penalty", "-2 to 2",
          r.frequency_penalty);
  require(r.presence_penalty >= -2 && r.presence_penalty <= 2, "presence_penalty", "-2 to 2",
          r.presence_penalty);
}

void check_ids(const char* where, std::span<const int32_t> ids, int64_t vocab) {
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab)
      refuse(where, fmt::format("token ids from 0 to {}", vocab - 1), fmt::format("{}", id));
}

void check_biases(const Request& r, int64_t vocab) {
  require(std::ssize(r.logit_bias) <= kMostLogitBiases, "logit_bias", "at most 300 tokens",
          r.logit_bias.size());
  for (const auto& [token, bias] : r.logit_bias) {
    check_ids("logit_bias", {&token, 1}, vocab);
    if (!(bias >= -100 && bias <= 100))
      refuse(fmt::format("logit_bias of token {}", token), "-100 to 100", fmt::format("{}", bias));
  }
}

void check_prompt(const Request& r) {
  const int given =
      (r.messages.empty() ? 0 : 1) + (r.prompt_text ? 1 : 0) + (r.prompt_ids.empty() ? 0 : 1);
  require(given == 1, "prompt", "one of messages, a text and token ids", given);
}

void check_ends(const Request& r, int64_t vocab) {
  require(r.max_new_tokens > 0, "max-new-tokens", "1 or more", r.max_new_tokens);
  require(std::ssize(r.stop_ids) <= kMostStops, "stop_ids", "at most 64", r.stop_ids.size());
  check_ids("stop_ids", r.stop_ids, vocab);
  if (!r.stop_strings) return;
  require(std::ssize(*r.stop_strings) <= kMostStops, "stop strings", "at most 64",
          r.stop_strings->size());
  for (const std::string& stop : *r.stop_strings)
    require(!stop.empty() && std::ssize(stop) <= kMostStopBytes, "stop string", "1 to 1024 bytes",
            stop.size());
}

void check_form(const AnswerForm& form) {
  if (!form.definition.empty()) return;
  if (form.kind == AnswerForm::Kind::kJsonSchema)
    refuse("form of the answer", "a JSON schema", "none");
  if (form.kind == AnswerForm::Kind::kRegex)
    refuse("form of the answer", "a regular expression", "none");
}

void check_answers(const Request& r, const RequestLimits& limits) {
  require(r.beams >= 1, "num_beams", "1 or more", r.beams);
  require(r.choices >= 1 && r.choices <= kMostChoices, "choices", "1 to 128", r.choices);
  if (r.choices > limits.sequences)
    refuse("choices", fmt::format("at most {} (the sequences that run at once)", limits.sequences),
           fmt::format("{}", r.choices));
  if (r.top_logprobs)
    require(*r.top_logprobs >= 0 && *r.top_logprobs <= kMostTopLogprobs, "top_logprobs", "0 to 20",
            *r.top_logprobs);
  require(r.timeout_s >= 0 && r.timeout_s < 1e9, "timeout", "0 seconds or more", r.timeout_s);
}

// Beams are compared by what the model holds likely, and nothing else.
void check_beams(const Request& r) {
  const bool as_the_model_says = r.repetition_penalty == 1 && r.frequency_penalty == 0 &&
                                 r.presence_penalty == 0 && r.logit_bias.empty();
  if (!as_the_model_says)
    refuse("num_beams", "1 beside penalties and biases", fmt::format("{}", r.beams));
}

void check_possible(const Request& r, const RequestLimits& limits) {
  if (r.beams > 1) check_beams(r);
  if (limits.submitted) {
    require(r.beams == 1, "num_beams", "1 for an answer beside others", r.beams);
    return;
  }
  if (r.beams > limits.sequences)
    refuse("num_beams",
           fmt::format("at most {} (the sequences that were planned for)", limits.sequences),
           fmt::format("{}", r.beams));
  require(r.choices == 1, "choices", "1 for an answer by itself", r.choices);
  require(r.form.kind == AnswerForm::Kind::kAny, "form of the answer",
          "none for an answer by itself", "one");
  if (r.top_logprobs)
    refuse("top_logprobs", "none for an answer by itself", fmt::format("{}", *r.top_logprobs));
}

}  // namespace

void check_request(const Request& request, const RequestLimits& limits) {
  check_sampling(request);
  check_biases(request, limits.vocab);
  check_prompt(request);
  check_ids("prompt", request.prompt_ids, limits.vocab);
  check_ends(request, limits.vocab);
  check_form(request.form);
  check_answers(request, limits);
  check_possible(request, limits);
}

}  // namespace tessera
