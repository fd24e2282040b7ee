// How tokens are drawn on the last stage, as a micro-batch asks for it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ops/edit_logits.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"
#include "tests/support/differs.h"

namespace tessera {
namespace {

constexpr TokenDraw kGreedy = {.options = {.temperature = 0}};

// Sequences that have read different texts, one token further in each step.
class Sequences {
 public:
  Sequences(TestEngine& engine, int count) : engine_(engine) {
    for (int i = 0; i < count; ++i) {
      const PromptTokens prompt{.ids = {1, 5 + i, 9 + 2 * i, 30 + i}};
      tables_.emplace_back(engine.blocks());
      engine.runner().prefill(prompt, {}, tables_.back(), {.draw = kGreedy}, false, nullptr);
    }
  }

  /// All at the same place, each time the same.
  StepResult step(const std::vector<WantedRow>& wanted, bool want_logits) {
    std::vector<DecodeRow> rows;
    for (size_t i = 0; i < tables_.size(); ++i)
      rows.push_back({.table = &tables_[i],
                      .token = static_cast<int32_t>(40 + i),
                      .position = 4,
                      .wanted = wanted[i]});
    return engine_.runner().decode(rows, want_logits, nullptr);
  }

 private:
  TestEngine& engine_;
  std::vector<BlockTable> tables_;
};

int32_t greedy_f64(std::span<const float> logits, const WantedRow& row) {
  std::vector<double> edited(logits.begin(), logits.end());
  for (const LogitEdit& e : row.edits) {
    double& logit = edited[static_cast<size_t>(e.token)];
    logit = (logit > 0 ? logit / double{e.penalty} : logit * double{e.penalty}) + double{e.add};
  }
  for (size_t i = 0; i < edited.size() && !row.mask.empty(); ++i)
    if ((row.mask[i / 32] >> i % 32 & 1) == 0) edited[i] = -INFINITY;
  return static_cast<int32_t>(std::ranges::max_element(edited) - edited.begin());
}

std::vector<double> log_softmax_f64(std::span<const float> logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  std::vector<double> out;
  for (const float logit : logits) out.push_back(double{logit} - std::log(sum));
  return out;
}

class Drawing : public testing::Test {
 protected:
  static constexpr int kSequences = 5;
  TestEngine engine_{golden_dir("llama_tiny"), {.layers = {2, 2}}, Precision::kF32, 64, kSequences};
  const size_t vocab_ = static_cast<size_t>(engine_.model().config.decoder.vocab);
  Sequences sequences_{engine_, kSequences};
  const std::vector<WantedRow> plain_ =
      std::vector<WantedRow>(kSequences, WantedRow{.draw = kGreedy});

  std::span<const float> row_of(const std::vector<float>& logits, size_t row) const {
    return std::span(logits).subspan(row * vocab_, vocab_);
  }
};

// Whichever rows are edited or told of, each has the token and the numbers of its own logits, and
// logits that come to the host are those of the model.
TEST_F(Drawing, EditsOfARowTouchNoOther) {
  const StepResult before = sequences_.step(plain_, true);
  ASSERT_TRUE(before.logprobs.empty());
  std::mt19937 random(9);
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    std::vector<std::vector<LogitEdit>> edits(kSequences);
    std::vector<std::vector<uint32_t>> masks(kSequences);
    std::vector<WantedRow> wanted = plain_;
    bool any_logprobs = false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const uint64_t kind = random() % 8;
      if ((kind & 1) != 0)
        for (size_t token = random() % 7; token < vocab_; token += 1 + random() % 20)
          edits[i].push_back({.token = static_cast<int32_t>(token),
                              .penalty = 0.5F + static_cast<float>(random() % 20) * 0.1F,
                              .add = static_cast<float>(random() % 9) - 4});
      if ((kind & 2) != 0) {
        masks[i].assign(static_cast<size_t>(mask_words(static_cast<int64_t>(vocab_))), 0);
        for (int bit = 0; bit < 9; ++bit) {
          const size_t token = random() % vocab_;
          masks[i][token / 32] |= 1U << token % 32;
        }
      }
      wanted[i].edits = edits[i];
      wanted[i].mask = masks[i];
      if ((kind & 4) != 0) wanted[i].top_logprobs = static_cast<int>(random() % 21);
      any_logprobs |= (kind & 4) != 0;
    }
    const bool want_logits = round % 2 == 0;
    const StepResult step = sequences_.step(wanted, want_logits);
    EXPECT_EQ(step.logits, want_logits ? before.logits : std::vector<float>());
    ASSERT_EQ(step.logprobs.size(), any_logprobs ? wanted.size() : 0);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const auto own = row_of(before.logits, i);
      EXPECT_EQ(step.tokens[i], greedy_f64(own, wanted[i])) << i;
      if (!any_logprobs) continue;
      const TokenLogprobs& told = step.logprobs[i];
      EXPECT_EQ(told.token, step.tokens[i]);
      ASSERT_EQ(std::ssize(told.top), std::max(wanted[i].top_logprobs, 0));
      if (!wanted[i].wants_logprobs()) continue;
      const auto want = log_softmax_f64(own);
      const auto near = [&](int32_t token, float got) {  // as token_logprobs.h has it
        EXPECT_EQ(differs({&got, 1}, {&want[static_cast<size_t>(token)], 1}, 6e-8, 5e-7), "");
      };
      near(told.token, told.logprob);
      const auto top = top_logits(own, wanted[i].top_logprobs);
      for (size_t k = 0; k < told.top.size(); ++k) {
        EXPECT_EQ(told.top[k].first, top[k].token);
        near(told.top[k].first, told.top[k].second);
      }
    }
  }
  EXPECT_EQ(sequences_.step(plain_, true).logits, before.logits);
}

// All that may be asked for at once fits into what was set aside.
TEST_F(Drawing, TheMostOfEverythingFits) {
  const StepResult before = sequences_.step(plain_, true);
  const PipelineLimits& limits = engine_.pipeline().limits();
  ASSERT_GE(limits.row_edits, static_cast<int64_t>(vocab_));
  std::vector<LogitEdit> edits(vocab_);
  for (size_t i = 0; i < vocab_; ++i)
    edits[i] = {.token = static_cast<int32_t>(i), .penalty = 1.5F, .add = 1};
  std::vector<uint32_t> mask(static_cast<size_t>(mask_words(static_cast<int64_t>(vocab_))), ~0U);
  std::vector<WantedRow> wanted(
      kSequences, WantedRow{.draw = kGreedy, .edits = edits, .mask = mask, .top_logprobs = 20});
  const StepResult step = sequences_.step(wanted, true);
  EXPECT_EQ(step.logits, before.logits);
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_EQ(step.tokens[i], greedy_f64(row_of(before.logits, i), wanted[i]));
}

// The greedy answer by its definition: each prefix read anew, its logits edited in double by what
// all of its tokens say.
std::vector<int32_t> penalised_answer(TestEngine& engine, const Request& r,
                                      std::vector<int32_t> prompt, int64_t count) {
  std::vector<int32_t> answer;
  while (std::ssize(answer) < count) {
    BlockTable table(engine.blocks());
    PromptTokens all{.ids = prompt};
    all.ids.insert(all.ids.end(), answer.begin(), answer.end());
    const StepResult step = engine.runner().prefill(all, {}, table, {}, true, nullptr);
    std::vector<double> logits(step.logits.begin(), step.logits.end());
    for (size_t i = 0; i < logits.size(); ++i) {
      const auto token = static_cast<int32_t>(i);
      const auto times = static_cast<double>(std::ranges::count(answer, token));
      if (std::ranges::count(all.ids, token) > 0)
        logits[i] =
            logits[i] > 0 ? logits[i] / r.repetition_penalty : logits[i] * r.repetition_penalty;
      logits[i] -= r.frequency_penalty * times + (times > 0 ? r.presence_penalty : 0);
      for (const auto& [biased, bias] : r.logit_bias)
        if (biased == token) logits[i] += double{bias};
    }
    answer.push_back(static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin()));
    if (answer.back() == engine.model().config.decoder.eos_ids.front()) break;
  }
  return answer;
}

TEST_F(Drawing, PenaltiesChangeAGreedyAnswerAsTheirDefinitionSays) {
  const GoldenCase golden = read_goldens("llama_tiny").front();
  Request plain = request_of(golden, 0);
  plain.temperature = 0;
  plain.max_new_tokens = 12;
  plain.stop_strings.emplace();
  const Answer as_it_is = engine_.ask(plain);
  ASSERT_GT(as_it_is.token_ids.size(), 3U);
  std::vector<Request> requests(5, plain);
  requests[0].repetition_penalty = 1.8;
  requests[1].frequency_penalty = 1.5;
  requests[2].presence_penalty = 2;
  requests[3].logit_bias = {{as_it_is.token_ids[0], -100.0F}, {as_it_is.token_ids[1], -100.0F}};
  requests[4].repetition_penalty = 1.3;
  requests[4].frequency_penalty = -0.5;
  requests[4].presence_penalty = 1;
  requests[4].logit_bias = {{as_it_is.token_ids[2], 3.0F}};
  int changed = 0;
  for (const Request& request : requests) {
    const Answer answer = engine_.ask(request);
    EXPECT_EQ(answer.token_ids,
              penalised_answer(engine_, request, as_it_is.prompt_ids, request.max_new_tokens));
    EXPECT_EQ(answer.first_logits, as_it_is.first_logits);  // of the model, not of the request
    if (answer.token_ids != as_it_is.token_ids) ++changed;
  }
  EXPECT_GE(changed, 4);
}

}  // namespace
}  // namespace tessera
