#include "runtime/check_request.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

Request good() {
  return {.messages = {{.text = "hello"}}};
}

// After one change; "no error" when it passes.
std::string verdict(const std::function<void(Request&)>& change, bool submitted = true) {
  Request request = good();
  change(request);
  return error_of(
      [&] { check_request(request, {.vocab = 100, .sequences = 8, .submitted = submitted}); });
}

TEST(CheckRequest, TakesEveryFieldAtItsEnds) {
  for (const bool low : {true, false}) {
    EXPECT_EQ(verdict([&](Request& r) {
                r.temperature = low ? 0 : 100;
                r.top_p = low ? 1e-9 : 1;
                r.top_k = low ? 1 : INT64_MAX;
                r.min_p = low ? 0 : 1;
                r.repetition_penalty = low ? 0.01 : 100;
                r.frequency_penalty = r.presence_penalty = low ? -2 : 2;
                r.logit_bias.assign(low ? 0 : 300, {99, 100.0F});
                r.stop_strings.emplace(low ? 0 : 64, std::string(1024, 'x'));
                r.stop_ids.assign(low ? 0 : 64, 99);
                r.choices = low ? 1 : 8;
                r.top_logprobs = low ? 0 : 20;
                r.form = {.kind = AnswerForm::Kind::kRegex, .definition = "a"};
              }),
              "no error");
    EXPECT_EQ(verdict([](Request& r) { r.beams = 8; }, false), "no error");
  }
  for (const int which : {0, 1})
    EXPECT_EQ(verdict([&](Request& r) {
                r.messages.clear();
                if (which == 0) r.prompt_ids = {0, 99};
                if (which == 1) r.prompt_text = "";
              }),
              "no error");
}

TEST(CheckRequest, NamesTheFieldWhatItMayBeAndWhatItIs) {
  using F = std::function<void(Request&)>;
  const auto nan = std::nan("");
  const std::pair<F, const char*> cases[] = {
      {[&](Request& r) { r.temperature = nan; }, "temperature: expected 0 to 100, found nan"},
      {[](Request& r) { r.temperature = -0.1; }, "temperature: expected 0 to 100, found -0.1"},
      {[&](Request& r) { r.top_p = nan; }, "top_p: expected above 0, at most 1, found nan"},
      {[](Request& r) { r.top_p = 0; }, "top_p: expected above 0, at most 1, found 0"},
      {[](Request& r) { r.top_k = 0; }, "top_k: expected 1 or more, found 0"},
      {[&](Request& r) { r.min_p = nan; }, "min_p: expected 0 to 1, found nan"},
      {[](Request& r) { r.min_p = 1.5; }, "min_p: expected 0 to 1, found 1.5"},
      {[&](Request& r) { r.repetition_penalty = nan; },
       "repetition_penalty: expected 0.01 to 100, found nan"},
      {[](Request& r) { r.repetition_penalty = 0; },
       "repetition_penalty: expected 0.01 to 100, found 0"},
      {[&](Request& r) { r.frequency_penalty = nan; },
       "frequency_penalty: expected -2 to 2, found nan"},
      {[](Request& r) { r.presence_penalty = 2.5; },
       "presence_penalty: expected -2 to 2, found 2.5"},
      {[](Request& r) { r.logit_bias.assign(301, {}); },
       "logit_bias: expected at most 300 tokens, found 301"},
      {[](Request& r) {
         r.logit_bias = {{100, 1.0F}};
       },
       "logit_bias: expected token ids from 0 to 99, found 100"},
      {[](Request& r) {
         r.logit_bias = {{4, NAN}};
       },
       "logit_bias of token 4: expected -100 to 100, found nan"},
      {[](Request& r) { r.messages.clear(); },
       "prompt: expected one of messages, a text and token ids, found 0"},
      {[](Request& r) { r.prompt_ids = {1}; },
       "prompt: expected one of messages, a text and token ids, found 2"},
      {[](Request& r) { r.messages.clear(), r.prompt_ids = {-200}; },
       "prompt: expected token ids from 0 to 99, found -200"},
      {[](Request& r) { r.max_new_tokens = 0; }, "max-new-tokens: expected 1 or more, found 0"},
      {[](Request& r) { r.stop_ids = {-1}; },
       "stop_ids: expected token ids from 0 to 99, found -1"},
      {[](Request& r) { r.stop_ids.assign(65, 1); }, "stop_ids: expected at most 64, found 65"},
      {[](Request& r) { r.stop_strings = {""}; }, "stop string: expected 1 to 1024 bytes, found 0"},
      {[](Request& r) { r.stop_strings = {std::string(1025, 'x')}; },
       "stop string: expected 1 to 1024 bytes, found 1025"},
      {[](Request& r) { r.stop_strings.emplace(65, "x"); },
       "stop strings: expected at most 64, found 65"},
      {[](Request& r) { r.form.kind = AnswerForm::Kind::kJsonSchema; },
       "form of the answer: expected a JSON schema, found none"},
      {[](Request& r) { r.form.kind = AnswerForm::Kind::kRegex; },
       "form of the answer: expected a regular expression, found none"},
      {[](Request& r) { r.choices = 0; }, "choices: expected 1 to 128, found 0"},
      {[](Request& r) { r.choices = 129; }, "choices: expected 1 to 128, found 129"},
      {[](Request& r) { r.choices = 9; },
       "choices: expected at most 8 (the sequences that run at once), found 9"},
      {[](Request& r) { r.top_logprobs = 21; }, "top_logprobs: expected 0 to 20, found 21"},
      {[&](Request& r) { r.timeout_s = nan; }, "timeout: expected 0 seconds or more, found nan"},
      {[](Request& r) { r.beams = 0; }, "num_beams: expected 1 or more, found 0"},
      {[](Request& r) { r.beams = 2; },
       "num_beams: expected 1 for an answer beside others, found 2"},
      {[](Request& r) { r.beams = 2, r.presence_penalty = 1; },
       "num_beams: expected 1 beside penalties and biases, found 2"},
  };
  for (const auto& [change, want] : cases) EXPECT_EQ(verdict(change), want);
}

TEST(CheckRequest, AnAnswerByItselfIsOfTheSimplerKind) {
  EXPECT_EQ(verdict([](Request& r) { r.beams = 9; }, false),
            "num_beams: expected at most 8 (the sequences that were planned for), found 9");
  EXPECT_EQ(verdict([](Request& r) { r.choices = 2; }, false),
            "choices: expected 1 for an answer by itself, found 2");
  EXPECT_EQ(verdict([](Request& r) { r.form.kind = AnswerForm::Kind::kJson; }, false),
            "form of the answer: expected none for an answer by itself, found one");
  EXPECT_EQ(verdict([](Request& r) { r.top_logprobs = 0; }, false),
            "top_logprobs: expected none for an answer by itself, found 0");
}

}  // namespace
}  // namespace tessera
