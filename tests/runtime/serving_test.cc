// Many requests at once: each gets the answer that it would get alone.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "base/file.h"
#include "tessera/engine.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/heard.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

EngineOptions serving_options(const std::string& checkpoint, const std::string& devices) {
  EngineOptions options{
      .model_path = golden_dir(checkpoint), .devices = devices, .precision = "f32"};
  options.sequences = 2;
  options.running = 8;
  return options;
}

// A request and what the engine answers when it is asked alone.
struct Known {
  Request request;
  std::string text;
  FinishReason finish_reason = FinishReason::kStop;
};

std::vector<Known> ask_alone(Engine& engine, const std::string& checkpoint, size_t step) {
  std::vector<Known> known;
  const std::vector<GoldenCase> cases = read_goldens(checkpoint);
  for (size_t i = 0; i < cases.size(); i += step) {
    for (size_t turn = 0; turn < cases[i].turns.size(); ++turn) {
      // submit() takes what a user writes as text, also where it spells a special token.
      if (cases[i].turns[turn].question.find("<|") != std::string::npos) continue;
      Known one{.request = request_of(cases[i], turn)};
      one.request.max_new_tokens = 4 + static_cast<int64_t>(i % 13);
      const Answer answer = engine.generate(one.request);
      one.text = answer.text;
      one.finish_reason = answer.finish_reason;
      known.push_back(std::move(one));
    }
  }
  return known;
}

struct Mix {
  const char* devices;
  int64_t context, sequences, running, chunk_tokens;
  bool prefix_cache;
};

std::ostream& operator<<(std::ostream& out, const Mix& mix) {
  return out << mix.devices << " sequences " << mix.sequences << " of " << mix.running;
}

class ServingMixTest : public testing::TestWithParam<Mix> {};

// Requests come in bursts from three threads; some are cancelled on the way. With one context of
// room for eight sequences, some are put back and computed again.
TEST_P(ServingMixTest, EveryAnswerIsTheOneThatIsGivenAlone) {
  const Mix& mix = GetParam();
  EngineOptions options = serving_options("yi_vl_tiny", mix.devices);
  options.context = mix.context;
  options.sequences = mix.sequences;
  options.running = mix.running;
  options.chunk_tokens = mix.chunk_tokens;
  options.prefix_cache = mix.prefix_cache;
  const auto engine = Engine::create(options);
  const std::vector<Known> known = ask_alone(*engine, "yi_vl_tiny", 5);

  const auto ask_many = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int burst = 0; burst < 4; ++burst) {
      std::vector<std::pair<const Known*, std::shared_ptr<Heard>>> asked;
      for (int i = 0; i < 5; ++i) {
        const Known& one = known[random() % known.size()];
        auto heard = std::make_shared<Heard>();
        Request request = one.request;
        request.user = fmt::format("user {}", seed);
        const RequestId id = engine->submit(request, heard);
        if (random() % 6 == 0) {
          heard->wait_for_pieces(static_cast<int>(random() % 3));
          engine->cancel(id);
        }
        asked.emplace_back(&one, heard);
      }
      for (const auto& [one, heard] : asked) {
        const AnswerSummary summary = heard->wait();
        EXPECT_FALSE(summary.error) << Error(*summary.error).what();
        ASSERT_EQ(summary.finish_reasons.size(), 1U);
        if (summary.finish_reasons[0] == FinishReason::kCancelled) {
          EXPECT_TRUE(one->text.starts_with(heard->text())) << heard->text();
        } else {
          EXPECT_EQ(heard->text(), one->text);
          EXPECT_EQ(summary.finish_reasons[0], one->finish_reason);
        }
        EXPECT_EQ(heard->ends(), 1);
      }
    }
  };
  std::vector<std::thread> users;
  for (uint32_t seed = 1; seed <= 3; ++seed) users.emplace_back(ask_many, seed);
  for (std::thread& user : users) user.join();

  const EngineStatus status = engine->status();
  EXPECT_TRUE(status.ready) << status.why_not;
  EXPECT_EQ(status.running, 0);
  EXPECT_EQ(status.waiting, 0);
  EXPECT_EQ(status.kv_blocks_used, 0);
  EXPECT_EQ(status.requests, 60U);
  EXPECT_TRUE(status.micro_batches.empty());
  if (mix.prefix_cache) {
    EXPECT_GT(status.cached_prompt_tokens, 0U);
  } else {
    EXPECT_EQ(status.cached_prompt_tokens, 0U);
    EXPECT_EQ(status.kv_blocks_cached, 0);
  }
  for (const DeviceReport& device : engine->devices())
    EXPECT_EQ(device.measured_peak_bytes, device.planned_bytes) << device.name;
  // Alone again, with the blocks that the cache had.
  EXPECT_EQ(engine->generate(known[0].request).text, known[0].text);
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
