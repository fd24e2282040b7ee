#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tessera/engine.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/heard.h"

namespace tessera {

inline EngineOptions serving_options(const std::string& checkpoint, const std::string& devices) {
  EngineOptions options{
      .model_path = golden_dir(checkpoint), .devices = devices, .precision = "f32"};
  options.sequences = 2;
  options.running = 8;
  return options;
}

/// A request and what the engine answers when it is asked alone.
struct Known {
  Request request;
  std::string text;
  FinishReason finish_reason = FinishReason::kStop;
};

inline std::vector<Known> ask_alone(Engine& engine, const std::string& checkpoint, size_t step,
                                    const std::string& before = "") {
  std::vector<Known> known;
  const std::vector<GoldenCase> cases = read_goldens(checkpoint);
  for (size_t i = 0; i < cases.size(); i += step) {
    for (size_t turn = 0; turn < cases[i].turns.size(); ++turn) {
      // submit() takes what a user writes as text, also where it spells a special token.
      if (cases[i].turns[turn].question.find("<|") != std::string::npos) continue;
      Known one{.request = request_of(cases[i], turn)};
      one.request.messages.back().text.insert(0, before);
      one.request.max_new_tokens = 4 + static_cast<int64_t>(i % 13);
      const Answer answer = engine.generate(one.request);
      one.text = answer.text;
      one.finish_reason = answer.finish_reason;
      known.push_back(std::move(one));
    }
  }
  return known;
}

/// Requests of a checkpoint's recorded cases to an engine on these devices.
struct Mix {
  const char* devices;
  int64_t context, sequences, running, chunk_tokens;
  bool prefix_cache;
  const char* checkpoint = "yi_vl_tiny";
  int bursts = 4;           ///< of five requests from each thread
  const char* before = "";  ///< stands before each question: what is short alone fills no block
};

inline std::ostream& operator<<(std::ostream& out, const Mix& mix) {
  return out << mix.devices << " sequences " << mix.sequences << " of " << mix.running;
}

/// Every answer is the one that is given alone. Requests come in bursts from three threads; some
/// are cancelled on the way. With one context of room for eight sequences, some are put back and
/// computed again.
inline void serve_mix(const Mix& mix) {
  EngineOptions options = serving_options(mix.checkpoint, mix.devices);
  options.context = mix.context;
  options.sequences = mix.sequences;
  options.running = mix.running;
  options.chunk_tokens = mix.chunk_tokens;
  options.prefix_cache = mix.prefix_cache;
  const auto engine = Engine::create(options);
  const std::vector<Known> known = ask_alone(*engine, mix.checkpoint, 5, mix.before);

  const auto ask_many = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int burst = 0; burst < mix.bursts; ++burst) {
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
  EXPECT_EQ(status.requests, static_cast<uint64_t>(15 * mix.bursts));
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

}  // namespace tessera
