// The engine as a program uses it: planner, devices and loader together.

#include "tessera/engine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/isa.h"
#include "checkpoint/model_config.h"
#include "device/cuda_device.h"
#include "tests/runtime/goldens.h"
#include "tests/support/allocation_limit.h"
#include "tests/support/error_of.h"
#include "tests/support/sanitized.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

EngineOptions options_for(const std::string& checkpoint, const std::string& devices) {
  return {.model_path = golden_dir(checkpoint), .devices = devices, .precision = "f32"};
}

class EngineTest : public testing::Test {
 protected:
  EngineTest() { fs::create_directories(dir_); }
  ~EngineTest() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  fs::path dir_ = fs::path(testing::TempDir()) / fmt::format("tessera_engine_{}", ::getpid());
};

TEST_F(EngineTest, AnswersTheSameOnAnyNumberOfDevicesInsideTheirBudgets) {
  const std::vector<GoldenCase> cases = read_goldens("yi_vl_tiny");
  for (const char* devices : {"cpu@8MiB", "2xcpu@5MiB", "3xcpu@4MiB", "5xcpu@3MiB"}) {
    SCOPED_TRACE(devices);
    const auto engine = Engine::create(options_for("yi_vl_tiny", devices));
    for (size_t i = 0; i < cases.size(); i += 7)
      EXPECT_EQ(engine->generate(request_of(cases[i], 0)).token_ids, cases[i].turns[0].token_ids);
    for (const DeviceReport& device : engine->devices()) {
      EXPECT_EQ(device.measured_peak_bytes, device.planned_bytes) << device.name;
      EXPECT_LE(device.measured_peak_bytes, device.budget_bytes) << device.name;
    }
  }
}

// In f32 all instruction sets give the same bits (docs/decisions/0005).
TEST_F(EngineTest, AnswersTheSameWithOtherInstructionsInF32) {
  if (best_isa() <= Isa::kAvx2) GTEST_SKIP() << "this machine has no instructions beyond AVX2";
  const std::vector<GoldenCase> cases = read_goldens("yi_vl_tiny");
  const auto best = Engine::create(options_for("yi_vl_tiny", "cpu@8MiB"));
  const auto avx2 = Engine::create(options_for("yi_vl_tiny", "cpu@8MiB{isa=avx2}"));
  for (size_t i = 0; i < cases.size(); i += 7) {
    const Request request = request_of(cases[i], 0);
    EXPECT_EQ(avx2->generate(request).token_ids, best->generate(request).token_ids);
  }
}

// In a context of 100 tokens the plan is made for a prompt of 99, in one chunk.
TEST_F(EngineTest, TellsThePlannedTimeOfAPromptByItsTokens) {
  EngineOptions options = options_for("llama_tiny", "2xcpu@4MiB");
  options.context = 100;
  const auto engine = Engine::create(options);
  const std::vector<DeviceReport> devices = engine->devices();
  const std::vector<PlanStage>& stages = engine->plan().stages;
  ASSERT_LE(stages.size(), devices.size());
  for (const PlanStage& stage : stages) {
    const double planned_s = devices[static_cast<size_t>(stage.device)].planned_prefill_s;
    const double layers_s = 1000 * stage.prefill_chunk_s / 99;
    if (!stage.head) {
      EXPECT_DOUBLE_EQ(planned_s, layers_s);
    } else {  // and the head once, for the last token: a part of what a decode step takes there
      EXPECT_GT(planned_s, layers_s);
      EXPECT_LT(planned_s, layers_s + 1000 * stage.decode_s / 99);
    }
  }
}

TEST_F(EngineTest, PlansForQuestionsAsLongAsItIsTold) {
  EngineOptions options = options_for("llama_tiny", "cpu@8MiB");
  const auto prefill_s = [&](int64_t tokens) {
    options.question_tokens = tokens;
    return Engine::create(options)->plan().predicted.prefill_s;
  };
  EXPECT_LT(prefill_s(8), prefill_s(0));
  EXPECT_LT(prefill_s(0), prefill_s(500));
  EXPECT_GT(prefill_s(INT64_MAX), prefill_s(0));  // no more than the context
  EXPECT_EQ(error_of([&] { prefill_s(-1); }),
            "question_tokens: expected 1 or more, or 0 for what is typical, found -1");
}

TEST_F(EngineTest, SaysByHowMuchABudgetIsTooSmall) {
  EXPECT_THAT(error_of([] { Engine::create(options_for("yi_vl_tiny", "2xcpu@1MiB")); }),
              AllOf(HasSubstr("yi_vl_tiny"), HasSubstr("MiB more memory is needed")));
}

TEST_F(EngineTest, RefusesWhatIsNotThereOrNotAModel) {
  const auto error = [](EngineOptions options) {
    return error_of([&] { Engine::create(options); });
  };
  EXPECT_THAT(error(options_for("yi_vl_tiny", "cuda:7@24GiB")),
              HasSubstr(kCudaEmulated ? "cuda:0 to cuda:2" : "no GPU"));
  EXPECT_THAT(error(options_for("yi_vl_tiny", "3xrtx3090")), HasSubstr("tessera plan takes it"));
  EXPECT_THAT(error(options_for("none", "cpu")), HasSubstr("expected a model folder"));
  EXPECT_THAT(error(options_for("pictures/rgb.png", "cpu")), HasSubstr("found a file"));
  EXPECT_THAT(error(options_for("configs/yi-vl-34b", "cpu")), HasSubstr("tokenizer.model"));
  EngineOptions fp8 = options_for("yi_vl_tiny", "cpu");
  fp8.precision = "fp8";
  EXPECT_THAT(error(fp8), HasSubstr("kernels for fp8"));
  fp8.precision = "int3";
  EXPECT_THAT(error(fp8), HasSubstr("expected auto, f32"));
}

TEST_F(EngineTest, RefusesATokenizerOfAnotherModel) {
  fs::copy(golden_dir("yi_vl_shards"), path("model"), fs::copy_options::recursive);
  fs::copy_file(golden_dir("yi_vl_tiny") + "/tokenizer.model", path("model/tokenizer.model"),
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(
      error_of([&] { Engine::create({.model_path = path("model"), .devices = "cpu@8MiB"}); }),
      AllOf(HasSubstr("448"), HasSubstr("397")));
}

TEST_F(EngineTest, RefusesAPromptLongerThanTheContext) {
  EngineOptions options = options_for("yi_vl_tiny", "cpu@8MiB");
  options.context = 340;
  const auto engine = Engine::create(options);
  const GoldenCase golden = read_goldens("yi_vl_tiny").front();
  EXPECT_THAT(error_of([&] { engine->generate(request_of(golden, 0)); }),
              AllOf(HasSubstr("at most 339 tokens"), HasSubstr("349"), HasSubstr("--context")));
}

TEST_F(EngineTest, EndsAtTheContextWhenTheAnswerIsLonger) {
  EngineOptions options = options_for("yi_vl_tiny", "cpu@8MiB");
  options.context = 355;
  const auto engine = Engine::create(options);
  const std::vector<GoldenCase> cases = read_goldens("yi_vl_tiny");
  for (const GoldenCase& golden : cases) {
    if (golden.name != "picture_grey_png") continue;  // 349 rows, 16 tokens recorded
    const Answer answer = engine->generate(request_of(golden, 0));
    EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
    EXPECT_EQ(answer.token_ids.size(), 6U);
  }
}

TEST_F(EngineTest, ATextModelTakesNoPictures) {
  const auto engine = Engine::create(options_for("llama_tiny", "2xcpu@8MiB"));
  Request request = request_of(read_goldens("llama_tiny").front(), 0);
  request.messages.front().pictures = {{.name = golden_dir("pictures/rgb.png")}};
  EXPECT_THAT(error_of([&] { engine->generate(request); }), HasSubstr("takes no pictures"));
}

TEST_F(EngineTest, EndsAtAnyOfTheGenerationsEndTokens) {
  fs::copy(golden_dir("llama_tiny"), path("model"), fs::copy_options::recursive);
  const GoldenCase golden = read_goldens("llama_tiny").front();
  std::vector<int32_t> tokens = golden.turns[0].token_ids;
  ASSERT_GT(tokens.size(), 6U);
  write_file_atomic(path("model/generation_config.json"),
                    fmt::format(R"({{"eos_token_id": [{}, {}]}})", tokens[4], tokens[6]));
  const auto engine = Engine::create(
      {.model_path = path("model"), .devices = "2xcpu@8MiB", .precision = "f32", .sequences = 2});
  Request request = request_of(golden, 0);
  const Answer answer = engine->generate(request);
  tokens.resize(5);
  EXPECT_EQ(answer.token_ids, tokens);
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
  request.beams = 2;
  const int32_t last = engine->generate(request).token_ids.back();
  EXPECT_TRUE(last == tokens[4] || last == golden.turns[0].token_ids[6]) << last;
}

TEST_F(EngineTest, AModelWithATemplateThatIsNotKnownNeedsAMode) {
  fs::copy(golden_dir("llama_tiny"), path("model"), fs::copy_options::recursive);
  write_file_atomic(path("model/chat_template.jinja"), "[INST] {{ messages[0].content }} [/INST]");
  const auto engine =
      Engine::create({.model_path = path("model"), .devices = "cpu@8MiB", .precision = "f32"});
  const GoldenCase golden = read_goldens("llama_tiny").front();
  Request request = request_of(golden, 0);
  request.conversation_mode = "";
  EXPECT_THAT(error_of([&] { engine->generate(request); }),
              AllOf(HasSubstr("chat_template.jinja"), HasSubstr("--conv-mode: mm_default")));
  request.conversation_mode = "plain";
  EXPECT_EQ(engine->generate(request).token_ids, golden.turns[0].token_ids);
  request.conversation_mode = "llama3";
  EXPECT_THAT(error_of([&] { engine->generate(request); }), HasSubstr("<|start_header_id|>"));
}

TEST_F(EngineTest, UsesAPlanFromAFileAndHoldsItAgainstTheDevices) {
  EngineOptions options = options_for("yi_vl_tiny", "3xcpu@4MiB");
  const std::string text = plan_to_text(plan_model(options));
  write_file_atomic(path("plan.json"), text);
  options.plan_file = path("plan.json");
  const GoldenCase golden = read_goldens("yi_vl_tiny").front();
  EXPECT_EQ(Engine::create(options)->generate(request_of(golden, 0)).token_ids,
            golden.turns[0].token_ids);

  options.devices = "cpu@8MiB";
  EXPECT_THAT(error_of([&] { Engine::create(options); }), HasSubstr("plan.json"));
  options = options_for("yi_vl_odd", "3xcpu@4MiB");
  options.plan_file = path("plan.json");
  EXPECT_THAT(error_of([&] { Engine::create(options); }), HasSubstr("plan.json"));
  write_file_atomic(path("plan.json"), text.substr(0, text.size() / 2));
  EXPECT_THAT(error_of([&] { Engine::create(options); }), HasSubstr("not valid JSON"));
}

TEST_F(EngineTest, KeysAndValuesInInt8TakeWhatThePlanSays) {
  EngineOptions options = options_for("yi_vl_tiny", "3xcpu@4MiB");
  const auto kv_bytes = [&](const char* precision, const char* kv) {
    options.precision = precision;
    options.kv = kv;
    const auto engine = Engine::create(options);
    const GoldenCase golden = read_goldens("yi_vl_tiny").front();
    EXPECT_FALSE(engine->generate(request_of(golden, 0)).token_ids.empty());
    uint64_t bytes = 0;
    for (const PlanStage& stage : engine->plan().stages) bytes += stage.bytes.kv;
    for (const DeviceReport& device : engine->devices())
      EXPECT_EQ(device.measured_peak_bytes, device.planned_bytes) << device.name;
    return bytes;
  };
  const uint64_t f32 = kv_bytes("f32", "auto");
  EXPECT_EQ(kv_bytes("bf16", "f32"), f32);
  EXPECT_EQ(kv_bytes("bf16", "auto"), f32 / 2);
  EXPECT_EQ(kv_bytes("f32", "bf16"), f32 / 2);
  const DecoderConfig decoder = read_model_config(options.model_path).decoder;
  const auto tokens = static_cast<uint64_t>((decoder.max_positions + 15) / 16 * 16);
  const uint64_t scales = tokens * static_cast<uint64_t>(decoder.layers * decoder.kv_heads * 2 * 4);
  EXPECT_EQ(kv_bytes("int4", "int8"), f32 / 4 + scales);
  EXPECT_EQ(kv_bytes("f32", "int8"), f32 / 4 + scales);
  options.kv = "int4";
  EXPECT_THROW(Engine::create(options), UsageError);
  EXPECT_EQ(error_of([&] { plan_model(options); }),
            "--kv: expected auto, f32, bf16 or int8, found \"int4\"");
}

TEST_F(EngineTest, APlansKeysAndValuesAreKeptUnlessOthersAreAskedFor) {
  EngineOptions options = options_for("yi_vl_tiny", "3xcpu@4MiB");
  options.kv = "int8";
  write_file_atomic(path("plan.json"), plan_to_text(plan_model(options)));
  options.plan_file = path("plan.json");
  for (const char* kv : {"int8", "auto"}) {
    options.kv = kv;
    EXPECT_EQ(Engine::create(options)->plan().kv, KvFormat::kInt8) << kv;
    EXPECT_EQ(plan_model(options).kv, KvFormat::kInt8) << kv;
  }
  options.kv = "bf16";
  for (const bool to_run : {true, false})
    EXPECT_THAT(error_of([&] {
                  if (to_run)
                    Engine::create(options);
                  else
                    plan_model(options);
                }),
                AllOf(HasSubstr("plan.json: keys and values: expected bf16, found int8"),
                      HasSubstr("--kv int8")));
}

TEST_F(EngineTest, HoldsTheCapOnHostMemory) {
  EngineOptions options = options_for("yi_vl_tiny", "cpu@8MiB");
  options.host_memory_bytes = 1000;
  EXPECT_THAT(error_of([&] { Engine::create(options); }), HasSubstr("host memory"));
}

TEST_F(EngineTest, MemoryThatTheHostDoesNotHaveIsAnError) {
  const EngineOptions options = options_for("yi_vl_tiny", "cpu@8MiB");
  const auto engine = Engine::create(options);
  const GoldenCase golden = read_goldens("yi_vl_tiny").front();
  const Request request = request_of(golden, 0);
  Request picture = request, text = request;
  picture.messages.front().pictures = {{.name = golden_dir("pictures/exact_448.png")}};
  text.messages.front().pictures.clear();
  text.messages.front().text = std::string(500'000, 'a');
  const auto error = [&](const auto& call) {
    const AllocationLimit limit(100'000);
    return error_of(call);
  };
  EXPECT_THAT(error([&] { engine->generate(picture); }),
              AllOf(HasSubstr("exact_448.png"), HasSubstr("out of host memory")));
  EXPECT_EQ(error([&] { engine->generate(text); }), "request: out of host memory");
  EXPECT_EQ(error([&] { tokenize(options.model_path, text.messages.front().text); }),
            options.model_path + ": out of host memory");
  EXPECT_EQ(engine->generate(request).token_ids, golden.turns[0].token_ids);

  const AllocationLimit limit(3'000);
  EXPECT_EQ(error_of([&] { Engine::create(options); }),
            options.model_path + ": out of host memory");
  EXPECT_EQ(error_of([&] { plan_model(options); }), options.model_path + ": out of host memory");
}

TEST_F(EngineTest, TheSameSeedGivesTheSameAnswer) {
  const auto engine = Engine::create(options_for("yi_vl_tiny", "2xcpu@5MiB"));
  Request request = request_of(read_goldens("yi_vl_tiny").front(), 0);
  request.temperature = 1.5;
  request.top_p = 0.9;
  request.top_k = 40;
  request.seed = 11;
  const Answer first = engine->generate(request), again = engine->generate(request);
  EXPECT_EQ(first.token_ids, again.token_ids);
  request.seed = 12;
  EXPECT_NE(engine->generate(request).token_ids, first.token_ids);
}

TEST_F(EngineTest, StreamsExactlyTheAnswer) {
  const auto engine = Engine::create(options_for("yi_vl_tiny", "3xcpu@4MiB"));
  const std::vector<GoldenCase> cases = read_goldens("yi_vl_tiny");
  for (size_t i = 0; i < cases.size(); i += kSanitized ? 5 : 1) {
    std::string streamed;
    const Answer answer = engine->generate(request_of(cases[i], 0), [&](std::string_view piece) {
      streamed += piece;
      return true;
    });
    EXPECT_EQ(streamed, answer.text);
  }
}

TEST(PlanModel, YiVl34bFitsThreeCardsInBf16AndNotTwo) {
  EngineOptions options{.model_path = golden_dir("configs/yi-vl-34b/config.json"),
                        .devices = "3x24GiB"};
  const Plan three = plan_model(options);
  ASSERT_TRUE(three.fits);
  EXPECT_FALSE(three.why_not);
  EXPECT_GE(three.kv_room_tokens, 16000);
  for (const PlanStage& stage : three.stages)
    EXPECT_LE(stage.bytes.arena + stage.bytes.fixed, 700ULL << 20);

  options.kv = "int8";  // 132 bytes in the place of 256 for a key or value of a head
  const Plan int8 = plan_model(options);
  EXPECT_EQ(int8.kv, KvFormat::kInt8);
  EXPECT_NEAR(static_cast<double>(int8.kv_room_tokens),
              static_cast<double>(three.kv_room_tokens) * 256 / 132, 100);

  options.kv = "auto";
  options.devices = "2x24GiB";
  options.precision = "bf16";
  const Plan two = plan_model(options);
  EXPECT_FALSE(two.fits);
  ASSERT_TRUE(two.why_not);
  EXPECT_GT(two.why_not->missing_bytes, 18ULL << 30);
  EXPECT_THAT(two.why_not->text, AllOf(HasSubstr("GiB more memory"), HasSubstr("int8")));
}

TEST_F(EngineTest, ReplaysAPlansCertificate) {
  EngineOptions options{.model_path = golden_dir("configs/yi-vl-34b/config.json"),
                        .devices = "3x24GiB"};
  const Plan plan = plan_model(options);
  options.plan_file = path("plan.json");
  write_file_atomic(options.plan_file, plan_to_text(plan));
  EXPECT_EQ(plan_model(options), plan);

  Plan boast = plan;
  boast.certificate.value_ns /= 2;
  write_file_atomic(options.plan_file, plan_to_text(boast));
  EXPECT_THAT(error_of([&] { plan_model(options); }), HasSubstr("is not what it says"));
}

}  // namespace
}  // namespace tessera
