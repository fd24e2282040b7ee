// Many requests at once: each gets the answer that it would get alone.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "tessera/engine.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/heard.h"
#include "tests/runtime/serving_mix.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

class ServingMixTest : public testing::TestWithParam<Mix> {};

TEST_P(ServingMixTest, EveryAnswerIsTheOneThatIsGivenAlone) {
  serve_mix(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Mixes, ServingMixTest,
                         testing::Values(Mix{"cpu@32MiB", 600, 1, 8, 64, true},
                                         Mix{"3xcpu@32MiB", 600, 4, 8, 48, true},
                                         Mix{"2xcpu@32MiB", 600, 2, 6, 256, false}));

class ServingTest : public testing::Test {
 protected:
  void start(EngineOptions options) { engine_ = Engine::create(options); }
  std::shared_ptr<Heard> ask(Request request, int choices = 1) {
    auto heard = std::make_shared<Heard>(choices);
    last_ = engine_->submit(std::move(request), heard);
    return heard;
  }
  Request text_request(int64_t tokens) {
    Request request{.prompt_text = "one two three", .temperature = 0, .max_new_tokens = tokens};
    request.ignore_end = true;
    return request;
  }

  std::unique_ptr<Engine> engine_;
  RequestId last_ = 0;
};

TEST_F(ServingTest, ASecondQuestionAboutAPictureSeesItNoMore) {
  start(serving_options("yi_vl_tiny", "2xcpu@32MiB"));
  const GoldenCase golden = read_goldens("yi_vl_tiny").front();
  ASSERT_FALSE(golden.pictures.empty());
  const Request request = request_of(golden, 0);
  const AnswerSummary first = ask(request)->wait();
  EXPECT_EQ(first.cached_tokens, 0);
  Request other = request;
  other.messages.back().text = "Something else?";
  const AnswerSummary second = ask(other)->wait();
  EXPECT_GE(second.cached_tokens, 320);  // whole blocks up to the question
  EXPECT_EQ(engine_->status().pictures, 2U);
  EXPECT_EQ(engine_->status().cached_pictures, 1U);
}

TEST_F(ServingTest, ChoicesShareThePromptAndDrawTheirOwnTokens) {
  start(serving_options("llama_tiny", "2xcpu@16MiB"));
  Request request = text_request(12);
  request.choices = 3;
  const auto greedy = ask(request, 3);
  EXPECT_EQ(greedy->wait().new_tokens, 36);
  EXPECT_EQ(greedy->text(0), greedy->text(1));
  EXPECT_EQ(greedy->text(0), greedy->text(2));
  EXPECT_EQ(greedy->pieces(), 36);

  request.temperature = 1.5;
  request.seed = 7;
  const auto drawn = ask(request, 3), again = ask(request, 3);
  drawn->wait();
  again->wait();
  EXPECT_FALSE(drawn->text(0) == drawn->text(1) && drawn->text(0) == drawn->text(2));
  for (int choice = 0; choice < 3; ++choice) EXPECT_EQ(drawn->text(choice), again->text(choice));
}

TEST_F(ServingTest, AnswersHaveTheFormThatIsAskedFor) {
  start(serving_options("yi_vl_tiny", "2xcpu@32MiB"));
  Request request = text_request(60);
  request.ignore_end = false;
  request.temperature = 1;
  request.choices = 2;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    request.seed = seed;
    request.form = {.kind = AnswerForm::Kind::kRegex, .definition = "(yes|no), [0-9]{3}"};
    const auto heard = ask(request, 2);
    const AnswerSummary summary = heard->wait();
    for (int choice = 0; choice < 2; ++choice) {
      EXPECT_THAT(heard->text(choice), testing::ContainsRegex("^(yes|no), [0-9][0-9][0-9]$"));
      EXPECT_EQ(summary.finish_reasons[static_cast<size_t>(choice)], FinishReason::kStop);
    }
    request.form = {.kind = AnswerForm::Kind::kJsonSchema,
                    .definition = R"({"type": "object", "properties": {"n": {"enum": [1, 23]}},
                                      "required": ["n"], "additionalProperties": false})"};
    const auto object = ask(request, 2);
    object->wait();
    for (int choice = 0; choice < 2; ++choice)
      EXPECT_THAT(nlohmann::json::parse(object->text(choice)).at("n"), testing::AnyOf(1, 23));
  }
  request.form = {.kind = AnswerForm::Kind::kRegex, .definition = " (yes|no) "};
  const auto blanks = ask(request, 2);
  blanks->wait();
  EXPECT_THAT(blanks->text(), testing::AnyOf(" yes ", " no "));

  request.form = {.kind = AnswerForm::Kind::kRegex, .definition = "(a"};
  EXPECT_THAT(error_of([&] { ask(request, 2); }), HasSubstr("a group without its"));
}

TEST_F(ServingTest, LogProbabilitiesComeWithEachToken) {
  start(serving_options("llama_tiny", "2xcpu@16MiB"));
  Request request = text_request(5);
  request.top_logprobs = 3;
  const auto heard = ask(request);
  heard->wait();
  const std::vector<TokenLogprobs> logprobs = heard->logprobs();
  ASSERT_EQ(logprobs.size(), 5U);
  for (const TokenLogprobs& one : logprobs) {
    ASSERT_EQ(one.top.size(), 3U);
    EXPECT_EQ(one.top[0].first, one.token);  // greedy
    EXPECT_EQ(one.top[0].second, one.logprob);
    EXPECT_GT(one.top[0].second, one.top[1].second);
  }
}

// Writes 'p' for each piece and 'e' for each end of all answers that share it; the first call of
// all waits until it is let go.
struct Minutes {
  std::mutex mutex;
  std::condition_variable changed;
  std::string heard;
  bool let_go = false;

  void note(char what) {
    std::unique_lock lock(mutex);
    heard += what;
    changed.notify_all();
    changed.wait(lock, [&] { return let_go; });
  }
  void wait_for(size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return heard.size() >= count; });
  }
};

struct Minuted final : AnswerListener {
  explicit Minuted(Minutes& minutes_in) : minutes(minutes_in) {}
  void on_piece(const AnswerPiece&) override { minutes.note('p'); }
  void on_end(const AnswerSummary&) override { minutes.note('e'); }
  Minutes& minutes;
};

TEST_F(ServingTest, NoTokenWaitsForTheEndOfAnotherAnswer) {
  start(serving_options("llama_tiny", "cpu@16MiB"));
  Minutes minutes;
  const auto ask_one = [&] {
    engine_->submit(text_request(1), std::make_shared<Minuted>(minutes));
  };
  ask_one();
  minutes.wait_for(1);
  for (int i = 0; i < 3; ++i) ask_one();  // they find the loop held up, and come in one step
  {
    const std::lock_guard lock(minutes.mutex);
    minutes.let_go = true;
  }
  minutes.changed.notify_all();
  minutes.wait_for(8);
  EXPECT_EQ(minutes.heard, "pepppeee");
}

TEST_F(ServingTest, WhatCanNeverRunIsRefusedAtOnce) {
  start(serving_options("llama_tiny", "cpu@16MiB"));
  EXPECT_THAT(error_of([&] { ask(Request{.prompt_ids = std::vector<int32_t>(5000, 1)}); }),
              HasSubstr("prompt"));
  EXPECT_THAT(error_of([&] { ask(Request{}); }), HasSubstr("prompt"));
  Request picture = text_request(4);
  picture.prompt_text.reset();
  picture.messages.push_back(
      {.text = "?",
       .pictures = {{.name = "picture 1", .bytes = std::make_shared<std::string>("not one")}}});
  EXPECT_THAT(error_of([&] { ask(picture); }), HasSubstr("takes no pictures"));
  EXPECT_EQ(engine_->status().running, 0);
}

TEST_F(ServingTest, AFullQueueSaysWhenToComeAgain) {
  EngineOptions options = serving_options("llama_tiny", "cpu@16MiB");
  options.running = 1;
  options.sequences = 1;
  options.waiting = 2;
  start(options);
  std::vector<std::shared_ptr<Heard>> heard;
  bool busy = false;
  for (int i = 0; i < 8 && !busy; ++i) {
    try {
      heard.push_back(ask(text_request(200)));
    } catch (const Busy& e) {
      busy = true;
      EXPECT_GT(e.retry_after_s(), 0);
    }
  }
  EXPECT_TRUE(busy);
  EXPECT_GE(heard.size(), 2U);
  for (const auto& one : heard) EXPECT_EQ(one->wait().new_tokens, 200);
  EXPECT_GE(engine_->status().refused, 1U);
}

TEST_F(ServingTest, ARequestEndsAtItsDeadline) {
  start(serving_options("llama_tiny", "cpu@16MiB"));
  Request request = text_request(1'000'000);
  request.timeout_s = 0.02;
  const AnswerSummary summary = ask(request)->wait();
  ASSERT_TRUE(summary.error);
  EXPECT_THAT(summary.error->what, HasSubstr("time is over"));
  EXPECT_EQ(engine_->status().kv_blocks_used, 0);
}

TEST_F(ServingTest, EndsEverythingWhenItGoes) {
  start(serving_options("llama_tiny", "2xcpu@16MiB"));
  const auto heard = ask(text_request(1'000'000));
  heard->wait_for_pieces(2);
  engine_.reset();
  EXPECT_EQ(heard->ends(), 1);
  EXPECT_EQ(heard->wait().finish_reasons[0], FinishReason::kCancelled);
}

}  // namespace
}  // namespace tessera
