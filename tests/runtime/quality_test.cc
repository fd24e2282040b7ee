// Logits of whole sequences, units stored anew in place, and what `tessera bench quality` makes of
// both.

#include "tessera/quality.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "plan/sensitivities.h"
#include "runtime/local_engine.h"
#include "runtime/quality_sample.h"
#include "runtime/unit_precisions.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kDemo = TESSERA_DEMO_DIR;

PromptTokens random_tokens(const ModelSpec& model, size_t count) {
  std::mt19937 random(5);
  PromptTokens prompt;
  for (size_t i = 0; i < count; ++i)
    prompt.ids.push_back(
        static_cast<int32_t>(random() % static_cast<uint64_t>(model.config.decoder.vocab)));
  return prompt;
}

TEST(Score, EachRowHasTheBitsOfThePromptThatEndsThere) {
  const std::string dir = golden_dir("llama_tiny");
  for (const LayerSplit& split : {LayerSplit{.layers = {4}}, LayerSplit{.layers = {1, 3}}})
    for (const int64_t chunk : {5, 64}) {
      TestEngine engine(dir, split, Precision::kBF16, chunk);
      const PromptTokens prompt = random_tokens(engine.model(), 40);
      const auto vocab = static_cast<size_t>(engine.model().config.decoder.vocab);
      for (const int64_t first_wanted : {0, 3, 39}) {
        std::vector<float> all;
        int64_t next_row = first_wanted;
        BlockTable table(engine.blocks());
        EXPECT_TRUE(engine.runner().score(
            prompt, {}, table, first_wanted,
            [&](int64_t first_row, std::span<const float> logits) {
              EXPECT_EQ(first_row, next_row);
              next_row += static_cast<int64_t>(logits.size() / vocab);
              all.insert(all.end(), logits.begin(), logits.end());
            },
            nullptr));
        ASSERT_EQ(next_row, 40);
        for (size_t row = static_cast<size_t>(first_wanted); row < 40; row += 9) {
          PromptTokens part = prompt;
          part.ids.resize(row + 1);
          BlockTable own(engine.blocks());
          const StepResult want = engine.runner().prefill(part, {}, own, {}, true, nullptr);
          const size_t at = (row - static_cast<size_t>(first_wanted)) * vocab;
          EXPECT_EQ(bits_differ(std::span(all).subspan(at, vocab), want.logits), "") << row;
        }
      }
    }
}

TEST(Score, StopsWhenCancelledAndWhenTheReceiverThrows) {
  TestEngine engine(golden_dir("llama_tiny"), {.layers = {2, 2}}, Precision::kF32, 4);
  const PromptTokens prompt = random_tokens(engine.model(), 40);
  CancelFlag cancel;
  int64_t calls = 0;
  const auto score = [&](const SequenceRunner::OnLogits& on_logits) {
    BlockTable table(engine.blocks());
    return engine.runner().score(prompt, {}, table, 0, on_logits, &cancel);
  };
  EXPECT_THROW(score([](int64_t, std::span<const float>) { throw Error({.what = "full"}); }),
               Error);
  EXPECT_TRUE(score([&](int64_t, std::span<const float>) { ++calls; }));
  EXPECT_EQ(calls, 10);
  calls = 0;
  EXPECT_FALSE(score([&](int64_t, std::span<const float>) {
    if (++calls == 2) cancel.cancel();
  }));
  EXPECT_EQ(calls, 2);
}

TEST(ChangePrecisions, GivesTheBitsOfAModelLoadedSo) {
  EngineOptions options{
      .model_path = golden_dir("yi_vl_tiny"), .devices = "2xcpu@8MiB", .precision = "bf16"};
  LocalEngine engine(options, nullptr);
  const Request request = request_of(read_goldens("yi_vl_tiny").front(), 0);
  const auto first = engine.generate(request, {}, nullptr).first_logits;
  const size_t layers = engine.model().layers.size();
  const auto store = [&](Precision precision) {
    engine.change_precisions(std::vector(layers, precision), std::min(precision, Precision::kInt8),
                             nullptr);
  };
  for (const Precision precision :
       {Precision::kInt4, Precision::kInt8, Precision::kInt6, Precision::kInt5}) {
    store(precision);
    options.precision = precision_name(precision);
    LocalEngine fresh(options, nullptr);
    EXPECT_EQ(engine.generate(request, {}, nullptr).first_logits,
              fresh.generate(request, {}, nullptr).first_logits)
        << options.precision;
  }
  store(Precision::kBF16);
  EXPECT_EQ(engine.generate(request, {}, nullptr).first_logits, first);
  EXPECT_THAT(error_of([&] { store(Precision::kF32); }),
              AllOf(HasSubstr("layer 0 as f32"), HasSubstr("loaded into")));
}

TEST(Sample, TextInWindowsPredictsEachTokenOnce) {
  const std::vector<int32_t> ids = {10, 11, 12, 13, 14, 15, 16};
  const auto with_bos = text_windows(ids, 4, 1);
  ASSERT_EQ(with_bos.size(), 3U);
  EXPECT_THAT(with_bos[0].prompt.ids, ElementsAre(1, 10, 11));
  EXPECT_THAT(with_bos[0].next, ElementsAre(10, 11, 12));
  EXPECT_THAT(with_bos[2].prompt.ids, ElementsAre(1));
  EXPECT_THAT(with_bos[2].next, ElementsAre(16));
  const auto without = text_windows(ids, 3, -1);
  ASSERT_EQ(without.size(), 2U);  // the last window is one token, with nothing to predict it from
  EXPECT_THAT(without[1].prompt.ids, ElementsAre(13, 14));
  EXPECT_THAT(without[1].next, ElementsAre(14, 15));
  EXPECT_TRUE(text_windows({}, 3, 1).empty());
}

TEST(Sample, AConversationIsComparedFromItsPictureOn) {
  const ScoredSequence asked = conversation({7, -200, 8, 9, 10}, 3);
  EXPECT_THAT(asked.prompt.ids, ElementsAre(7, 0, 0, 0, 8, 9));
  EXPECT_EQ(asked.first_row, 3);  // the picture's last row, which the question follows
  EXPECT_THAT(asked.next, ElementsAre(8, 9, 10));

  std::vector<ScoredSequence> two = {asked, asked};
  EXPECT_EQ(number_rows(two, 5), 11);
  EXPECT_EQ(two[1].first_index, 8);
  const auto sample = first_rows(two, 4);
  ASSERT_EQ(sample.size(), 2U);
  EXPECT_EQ(sample[0].rows(), 3);
  EXPECT_THAT(sample[1].next, ElementsAre(8));
  EXPECT_THAT(sample[1].prompt.ids, ElementsAre(7, 0, 0, 0));
  EXPECT_EQ(sample[1].first_index, 8);
}

TEST(Sample, ReadsNoMoreThanATokenizerTakesAndOnlyWholeCharacters) {
  const TempFolder folder;
  const std::string text(Tokenizer::kMaxTextBytes - 1, 'x');
  EXPECT_EQ(read_text(folder.write("long", text + "é and more")), text);
  EXPECT_EQ(read_text(folder.write("short", "é")), "é");
  EXPECT_THAT(error_of([&] { read_text(folder.write("none", "")); }), HasSubstr("empty file"));
  folder.write("b.PNG", "");
  folder.write("a.jpeg", "");
  folder.write("notes.txt", "");
  EXPECT_THAT(pictures_in(folder.path(), 5),
              ElementsAre(folder.path("a.jpeg"), folder.path("b.PNG")));
  EXPECT_THAT(pictures_in(folder.path(), 1), ElementsAre(folder.path("a.jpeg")));
  EXPECT_THAT(error_of([&] { pictures_in(folder.path("none"), 1); }), HasSubstr("cannot list"));
}

TEST(UnitPrecisions, OfAPlanMustCoverTheModel) {
  const Plan plan{.stages = {{.first_layer = 0,
                              .last_layer = 1,
                              .precisions = {Precision::kInt8, Precision::kBF16}},
                             {.first_layer = 2, .last_layer = 2, .precisions = {Precision::kInt4}}},
                  .head_precision = Precision::kInt8};
  const auto error = [](Plan changed, int64_t layers, const auto& change) {
    change(changed);
    return error_of([&] { (void)profile_of_plan(changed, layers, Precision::kBF16, "plan.json"); });
  };
  const auto nothing = [](Plan&) {};
  EXPECT_EQ(error(plan, 3, nothing), "no error");
  EXPECT_THAT(profile_of_plan(plan, 3, Precision::kBF16, "").layers,
              ElementsAre(Precision::kInt8, Precision::kBF16, Precision::kInt4));
  EXPECT_THAT(error(plan, 4, nothing), AllOf(HasSubstr("plan.json"), HasSubstr("4 layers")));
  EXPECT_THAT(error(plan, 3, [](Plan& p) { p.stages[1].first_layer = 1; }), HasSubstr("layer 2"));
  EXPECT_THAT(error(plan, 3, [](Plan& p) { p.stages[0].precisions.pop_back(); }),
              HasSubstr("layer 0"));
  EXPECT_THAT(error(plan, 3, [](Plan& p) { p.stages[0].precisions[0] = Precision::kF32; }),
              HasSubstr("f32"));
  EXPECT_THAT(error(plan, 3, [](Plan& p) { p.head_precision = Precision::kFp8; }),
              HasSubstr("fp8"));
}

QualityOptions demo_options() {
  return {.engine = {.model_path = kDemo, .devices = "cpu@64MiB"},
          .image_folder = kDemo + "/pictures",
          .question = "What do you see?"};
}

std::string plan_file_of(const TempFolder& folder, Precision precision) {
  EngineOptions options{.model_path = kDemo,
                        .devices = "cpu@64MiB",
                        .precision = std::string(precision_name(precision))};
  return folder.write("plan.json", plan_to_text(plan_model(options)));
}

TEST(Quality, ThePrecisionOfTheReferenceDiffersInNothing) {
  const TempFolder folder;
  QualityOptions options = demo_options();
  options.precisions = {Precision::kInt8};
  options.reference = Precision::kBF16;
  options.plan_files = {plan_file_of(folder, Precision::kBF16)};
  options.kv = KvFormat::kBF16;  // what the reference has
  const QualityBench bench = bench_quality(options);
  ASSERT_EQ(bench.results.size(), 3U);
  EXPECT_EQ(bench.results[2].name, "kv bf16");
  EXPECT_EQ(bench.results[2].kl, 0);
  const QualityResult& same = bench.results[1];
  EXPECT_EQ(same.kl, 0);
  EXPECT_EQ(same.kl_error, 0);
  EXPECT_EQ(same.top1, 1);
  EXPECT_EQ(same.perplexity, same.reference_perplexity);
  EXPECT_GT(same.tokens, 50);
  EXPECT_EQ(same.tokens, bench.picture_tokens);
  EXPECT_GT(bench.results[0].kl, 0);
}

TEST(Quality, FallsWithThePrecisionAndNotWithTheSplit) {
  QualityOptions options = demo_options();
  options.text_file = kDemo + "/README.md";
  options.max_tokens = 200;
  const QualityBench bench = bench_quality(options);
  ASSERT_EQ(bench.results.size(), 5U);
  EXPECT_EQ(bench.results[0].name, "bf16");
  EXPECT_EQ(bench.results[0].reference, Precision::kF32);
  for (size_t i = 1; i < bench.results.size(); ++i) {
    EXPECT_EQ(bench.results[i].reference, Precision::kBF16);
    EXPECT_EQ(bench.results[i].tokens, bench.text_tokens + bench.picture_tokens);
  }
  EXPECT_EQ(bench.text_tokens, 199);  // no bos predicts the first one
  const auto kl = [&](const char* name) {
    return std::ranges::find(bench.results, name, &QualityResult::name)->kl;
  };
  EXPECT_GT(kl("bf16"), 0);
  EXPECT_LT(kl("bf16"), kl("int8"));
  EXPECT_LT(kl("int8"), kl("int6"));
  EXPECT_LT(kl("int6"), kl("int5"));
  EXPECT_LT(kl("int5"), kl("int4"));

  options.engine.devices = "3xcpu@20MiB{threads=1}";
  options.engine.chunk_tokens = 37;
  const QualityBench split = bench_quality(options);
  for (size_t i = 0; i < bench.results.size(); ++i) {
    EXPECT_EQ(split.results[i].kl, bench.results[i].kl) << bench.results[i].name;
    EXPECT_EQ(split.results[i].perplexity, bench.results[i].perplexity);
  }
}

TEST(Quality, KeysAndValuesInInt8CostLessThanWeightsInInt8) {
  QualityOptions options = demo_options();
  options.precisions = {Precision::kInt8};
  options.kv = KvFormat::kInt8;
  double last_share = 0;
  options.on_progress = [&](std::string_view, double share) { last_share = share; };
  for (const Precision reference : {Precision::kBF16, Precision::kF32}) {
    options.reference = reference;
    const QualityBench bench = bench_quality(options);
    ASSERT_EQ(bench.results.size(), 2U);
    const QualityResult &weights = bench.results[0], &kv = bench.results[1];
    EXPECT_EQ(kv.name, "kv int8");
    EXPECT_EQ(kv.reference, reference);
    EXPECT_EQ(kv.layers.front(), reference);
    EXPECT_EQ(kv.tokens, weights.tokens);
    EXPECT_GT(kv.kl, 0);
    EXPECT_LT(kv.kl, weights.kl);
    EXPECT_GT(kv.top1, 0.95);
    EXPECT_DOUBLE_EQ(last_share, 1);
  }
}

TEST(Quality, SensitivitiesRankMixedPlansAndThePlannerTakesThem) {
  QualityOptions options = demo_options();
  options.precisions = {Precision::kInt8, Precision::kInt5, Precision::kInt4};
  options.reference = Precision::kBF16;
  options.measure_sensitivities = true;
  options.sample_tokens = 100'000;  // all
  options.mixed_plans = 20;
  double last_share = 0;
  options.on_progress = [&](std::string_view, double share) {
    EXPECT_GE(share, last_share);
    last_share = share;
  };
  const QualityBench bench = bench_quality(options);
  EXPECT_DOUBLE_EQ(last_share, 1);
  ASSERT_EQ(bench.sensitivities.size(), 9U);  // eight layers and the head
  for (const UnitSensitivity& unit : bench.sensitivities)
    for (const auto& [precision, kl] : unit.kl) EXPECT_GT(kl, 0) << unit.unit;
  ASSERT_TRUE(bench.rank_correlation);
  EXPECT_GE(*bench.rank_correlation, 0.9);

  // Too little memory for bf16: what the planner keeps at which precision follows the file.
  const TempFolder folder;
  EngineOptions engine{.model_path = kDemo, .devices = "cpu@64MiB", .context = 64};
  const StageBytes roomy = plan_model(engine).stages.front().bytes;
  engine.devices = fmt::format("cpu@{}KiB", (roomy.total() - roomy.weights / 3) / 1024);
  const auto profile = [&] {
    return profile_of_plan(plan_model(engine), 8, Precision::kBF16, "plan");
  };
  const Profile by_rule = profile();
  engine.sensitivities_file = folder.write("s.json", bench.sensitivities_json);
  const Profile measured = profile();
  const Sensitivities read = read_sensitivities(engine.sensitivities_file);
  EXPECT_LE(predicted_loss(read, measured), predicted_loss(read, by_rule));
  EXPECT_GT(predicted_loss(read, measured), 0);
  EXPECT_NE(measured.layers, by_rule.layers);

  // The worst layer of all stays at bf16 while any does not, when the file says so.
  Sensitivities one_sided = read;
  for (auto& [precision, loss] : one_sided.layers[5]) loss = 900;
  engine.sensitivities_file = folder.write("t.json", sensitivities_to_text(one_sided));
  EXPECT_EQ(profile().layers[5], Precision::kBF16);
  engine.model_path = golden_dir("llama_tiny");
  EXPECT_THAT(error_of([&] { plan_model(engine); }), HasSubstr("t.json"));
}

TEST(Quality, WhatCannotBeMeasuredIsAClearError) {
  const TempFolder folder;
  const auto error = [](const auto& change) {
    QualityOptions options = demo_options();
    options.precisions = {Precision::kInt8};
    options.max_pictures = 1;
    change(options);
    return error_of([&] { (void)bench_quality(options); });
  };
  EXPECT_EQ(error([](QualityOptions&) {}), "no error");
  EXPECT_THAT(error([](QualityOptions& o) { o.engine.devices = "cpu@2MiB"; }),
              HasSubstr("does not fit"));
  EXPECT_THAT(error([](QualityOptions& o) { o.precisions = {Precision::kFp8}; }), HasSubstr("fp8"));
  EXPECT_THAT(error([](QualityOptions& o) { o.reference = Precision::kInt8; }),
              HasSubstr("--reference"));
  EXPECT_THAT(error([](QualityOptions& o) {
                o.precisions = {Precision::kBF16};
                o.mixed_plans = 2;
              }),
              HasSubstr("below bf16"));
  EXPECT_THAT(error([](QualityOptions& o) { o.engine.model_path = golden_dir("llama_tiny"); }),
              HasSubstr("pictures"));
  EXPECT_THAT(error([&](QualityOptions& o) { o.image_folder = folder.path(); }),
              HasSubstr("found none"));
  EXPECT_THAT(error([&](QualityOptions& o) {
                o.image_folder.clear();
                o.text_file = folder.path("none.txt");
              }),
              HasSubstr("none.txt"));
  EXPECT_THAT(
      error([&](QualityOptions& o) { o.engine.sensitivities_file = folder.write("s.json", "{}"); }),
      HasSubstr("s.json"));
}

TEST(Quality, ACancelledRunEnds) {
  QualityOptions options = demo_options();
  CancelFlag cancel;
  options.on_progress = [&](std::string_view what, double share) {
    if (what == "int6" && share > 0) cancel.cancel();
  };
  EXPECT_THROW((void)bench_quality(options, &cancel), Cancelled);
}

}  // namespace
}  // namespace tessera
