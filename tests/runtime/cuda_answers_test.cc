// Answers on GPUs: those of virtual CPU devices, for every split, and within stated tolerances at
// each seam. On emulated GPUs, and on real ones where there are some.

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "tests/ops/packed.h"
#include "tests/runtime/cuda_engine_fixture.h"

namespace tessera {
namespace {

class CudaAnswers : public OnGpus {};

struct Split {
  LayerSplit layers;
  int64_t chunk;
  const Recorded* question;
  OpenTestDevice open = open_next_gpu;
};

// A device of another kind at either end or in the middle, and shares of one card.
std::unique_ptr<Device> open_cpu_between(size_t index) {
  return index == 1 ? open_virtual_device({.name = "cpu:1", .budget_bytes = 256 * kMiB})
                    : open_next_gpu(index);
}
std::unique_ptr<Device> open_cpu_around(size_t index) {
  return index == 1 ? open_next_gpu(index)
                    : open_virtual_device(
                          {.name = fmt::format("cpu:{}", index), .budget_bytes = 256 * kMiB});
}
std::unique_ptr<Device> open_shares_of_one(size_t index) {
  return open_gpu_share(index, kCudaEmulated ? 1 : 0);
}

// Tokens are those of CPUs; logits, added in another order, are near them, and the same bits for
// every split over GPUs alone.
TEST_F(CudaAnswers, GivesTheTokensOfCpuDevicesInF32OverEverySplit) {
  const std::vector<Split> splits = {
      {.layers = {.layers = {2, 2, 2}, .vision = 1, .embedding = 2},
       .chunk = 64,
       .question = &kPicture},
      {.layers = {.layers = {4}}, .chunk = 64, .question = &kText},
      {.layers = {.layers = {1, 2, 1}, .embedding = -1}, .chunk = 5, .question = &kText},
      {.layers = {.layers = {2, 1, 1}, .embedding = 1},
       .chunk = 1,
       .question = &kText,
       .open = open_shares_of_one},
      {.layers = {.layers = {1, 2, 1}, .embedding = 0},
       .chunk = 4,
       .question = &kText,
       .open = open_cpu_between},
      {.layers = {.layers = {1, 2, 1}, .embedding = 1},
       .chunk = 4,
       .question = &kText,
       .open = open_cpu_around},
      {.layers = {.layers = {3, 3}, .vision = 1, .embedding = 0},
       .chunk = 64,
       .question = &kPicture,
       .open = open_cpu_between}};
  std::map<const Recorded*, std::vector<std::pair<int32_t, float>>> on_gpus;
  for (size_t i = 0; i < splits.size(); ++i) {
    SCOPED_TRACE(i);
    const Split& split = splits[i];
    const std::string dir = golden_dir(split.question->checkpoint);
    TestEngine cpu(dir, whole_on_one(describe_model(read_model_config(dir))));
    TestEngine gpu(dir, split.layers, Precision::kF32, split.chunk, 1, 2, {}, split.open);
    const Request request = question(*split.question);
    const Answer want = cpu.ask(request), got = gpu.ask(request);
    EXPECT_EQ(got.token_ids, want.token_ids);
    ASSERT_EQ(got.first_logits.size(), want.first_logits.size());
    for (size_t l = 0; l < want.first_logits.size(); ++l)
      EXPECT_NEAR(got.first_logits[l].second, want.first_logits[l].second, 1e-4);
    if (i >= 4) continue;  // some layers on a CPU
    const auto [first, is_first] = on_gpus.try_emplace(split.question, got.first_logits);
    EXPECT_EQ(got.first_logits, first->second);
  }
}

// Keys and values as int8: a split never changes a bit, beams copy whole pages with their scales,
// and what is computed is what CPU devices compute.
TEST_F(CudaAnswers, OverInt8PagesAreTheSameForEverySplitAndNearThoseOfCpus) {
  const int64_t most_beams = 3;
  const auto engine = [&](const LayerSplit& split, int64_t chunk, const OpenTestDevice& open) {
    return std::make_unique<TestEngine>(kTextDir, split, Precision::kF32, chunk, most_beams, 2,
                                        KvFormat::kInt8, open);
  };
  const auto cpu = engine({.layers = {4}}, 64, {});
  const auto whole = engine({.layers = {4}}, 64, open_next_gpu);
  const auto split = engine({.layers = {1, 2, 1}, .embedding = 2}, 3, open_next_gpu);
  Request request = question(kText);
  for (const int64_t beams : {int64_t{1}, most_beams}) {
    SCOPED_TRACE(beams);
    request.beams = beams;
    const Answer want = cpu->ask(request), got = whole->ask(request), parts = split->ask(request);
    EXPECT_EQ(parts.token_ids, got.token_ids);
    EXPECT_EQ(parts.first_logits, got.first_logits);
    EXPECT_EQ(parts.beam_score, got.beam_score);
    EXPECT_EQ(got.token_ids, want.token_ids);
    ASSERT_EQ(got.first_logits.size(), want.first_logits.size());
    const float most = std::abs(want.first_logits.front().second);
    for (size_t l = 0; l < want.first_logits.size(); ++l)
      EXPECT_NEAR(got.first_logits[l].second, want.first_logits[l].second, 1e-2 * most);
  }
}

TEST_F(CudaAnswers, PenaltiesAndMinPGiveTheTokensOfCpuDevices) {
  Request request = question(kText);
  request.temperature = 1.2;
  request.min_p = 0.05;
  request.repetition_penalty = 1.5;
  request.frequency_penalty = 0.5;
  request.logit_bias = {{17, 4.0F}, {20, -100.0F}};
  request.seed = 3;
  TestEngine cpu(kTextDir, {.layers = {4}});
  TestEngine gpu(kTextDir, {.layers = {1, 3}}, Precision::kF32, 64, 1, 2, {}, open_next_gpu);
  EXPECT_EQ(gpu.ask(request).token_ids, cpu.ask(request).token_ids);
}

// A step with one row of each kind: as it is, edited, masked, told of, and all of these.
StepResult drawn_step(TestEngine& engine) {
  const auto vocab = engine.model().config.decoder.vocab;
  const std::vector<LogitEdit> edits = {{.token = 5, .penalty = 2, .add = 9},
                                        {.token = 8, .add = 7}};
  std::vector<uint32_t> mask(static_cast<size_t>((vocab + 31) / 32));
  mask[0] = 0xf0;
  const TokenDraw draw = {.options = {.temperature = 0.9F, .min_p = 0.01F}, .random = 1ULL << 62};
  const std::vector<WantedRow> wanted = {
      {.draw = draw},
      {.draw = draw, .edits = edits},
      {.draw = draw, .mask = mask},
      {.draw = draw, .top_logprobs = 0},
      {.draw = draw, .edits = edits, .mask = mask, .top_logprobs = 20}};
  std::vector<BlockTable> tables;
  std::vector<DecodeRow> rows;
  for (int i = 0; i < 5; ++i) tables.emplace_back(engine.blocks());
  for (int i = 0; i < 5; ++i)
    rows.push_back({.table = &tables[static_cast<size_t>(i)],
                    .token = 3 + i,
                    .position = 0,
                    .wanted = wanted[static_cast<size_t>(i)]});
  return engine.runner().decode(rows, false, nullptr);
}

TEST_F(CudaAnswers, AStepsEditsMasksAndLogProbabilitiesAreThoseOfCpuDevices) {
  TestEngine cpu(kTextDir, {.layers = {4}}, Precision::kF32, 64, 5);
  TestEngine gpu(kTextDir, {.layers = {2, 2}}, Precision::kF32, 64, 5, 2, {}, open_next_gpu);
  const StepResult want = drawn_step(cpu), got = drawn_step(gpu);
  EXPECT_EQ(got.tokens, want.tokens);
  ASSERT_EQ(got.logprobs.size(), 5U);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(got.logprobs[i].token, want.logprobs[i].token);
    EXPECT_NEAR(got.logprobs[i].logprob, want.logprobs[i].logprob, 1e-4);
    ASSERT_EQ(got.logprobs[i].top.size(), i == 4 ? 20U : 0U);
    for (size_t k = 0; k < got.logprobs[i].top.size(); ++k)
      EXPECT_NEAR(got.logprobs[i].top[k].second, want.logprobs[i].top[k].second, 1e-4);
  }
}

double largest(std::span<const float> a) {
  double most = 0;
  for (const float value : a) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= most)) most = std::isnan(difference) ? INFINITY : difference;
  }
  return most;
}

// Puts the numbers that the decoder's matrices of `stored` mean into an engine of f32.
void write_meaning(TestEngine& stored, TestEngine& f32) {
  const std::vector<LoadTarget> from = stored.pipeline().load_targets();
  const std::vector<LoadTarget> to = f32.pipeline().load_targets();
  for (size_t t = 0; t < from.size(); ++t) {
    if (from[t].unit->kind != UnitKind::kLayer && from[t].unit->kind != UnitKind::kHead) continue;
    const UnitWeights codes(*from[t].unit, from[t].precision, *from[t].device, from[t].data);
    const UnitWeights floats(*to[t].unit, Precision::kF32, *to[t].device, to[t].data);
    for (const WeightSpec& weight : from[t].unit->weights) {
      if (weight.form != WeightForm::kMatrix) continue;
      const PackedMatrix matrix = codes.matrix(weight.name);
      const int64_t group = matrix.format().group;
      std::vector<float> row(static_cast<size_t>(matrix.padded_in()));
      for (int64_t o = 0; o < matrix.out; ++o) {
        for (int64_t i = 0; i < matrix.padded_in(); ++i)
          row[static_cast<size_t>(i)] = static_cast<float>(packed_weight(matrix, o, i));
        for (int64_t first = 0; matrix.format().bits == 8 && first < matrix.padded_in();
             first += group) {  // int8 is of rotated inputs; rotated twice, they are themselves
          const auto begin = row.begin() + first;
          const auto end = row.begin() + std::min(first + group, matrix.padded_in());
          std::vector<float> part(begin, end);
          rotate_group(part);
          std::ranges::copy(part, begin);
        }
        pack_rows(floats.matrix(weight.name), o, 1, row.data(), DType::kF32);
      }
    }
  }
}

// Logits of every row of a prompt.
std::vector<float> logits_of(TestEngine& engine) {
  const PromptTokens prompt{
      .ids = {1, 5, 9, 200, 17, 3, 44, 60, 12, 7, 8, 99, 101, 13, 2, 30, 31, 32}};
  BlockTable table(engine.blocks());
  std::vector<float> all;
  engine.runner().score(
      prompt, {}, table, 0,
      [&](int64_t, std::span<const float> rows) {
        all.insert(all.end(), rows.begin(), rows.end());
      },
      nullptr);
  return all;
}

struct Stored {
  Precision precision;
  double tolerance;  // of the largest |number|
};

class CudaSeams : public OnGpus, public testing::WithParamInterface<Stored> {
 protected:
  const LayerSplit split_ = {.layers = {2, 2, 2}, .vision = 1, .embedding = 2};
  const ModelSpec model_ = describe_model(read_model_config(kPictureDir));
};

class CudaPictures : public CudaSeams {};

// Features of the tower, and rows of the projector. Both kinds of device round the same numbers to
// the same formats; what is added in another order now and then rounds the other way.
TEST_P(CudaPictures, FeaturesAndRowsAreThoseOfCpuDevices) {
  const auto& [precision, tolerance] = GetParam();
  TestEngine cpu(kPictureDir, whole_on_one(model_), precision);
  TestEngine gpu(kPictureDir, split_, precision, 64, 1, 2, {}, open_next_gpu);
  const std::vector<float> pixels =
      read_pictures(request_of(golden(kPicture), 0).messages, *model_.config.preprocess).front();
  const auto seams = [&](TestEngine& engine) {
    const auto image = engine.pipeline().vision().encode(pixels);
    image->ready->synchronize();
    return std::pair(engine.pipeline().vision().features(),
                     std::vector<float>(image->rows.begin(), image->rows.end()));
  };
  const auto [features, rows] = seams(cpu);
  const auto [gpu_features, gpu_rows] = seams(gpu);
  EXPECT_LT(largest_difference(gpu_features, features) / largest(features), tolerance);
  EXPECT_LT(largest_difference(gpu_rows, rows) / largest(rows), tolerance);
}

// Lower precisions leave pictures at bf16.
INSTANTIATE_TEST_SUITE_P(Weights, CudaPictures,
                         testing::Values(Stored{Precision::kF32, 1e-5},
                                         Stored{Precision::kBF16, 2e-2}),
                         [](const auto& test) {
                           return std::string(precision_name(test.param.precision));
                         });

// Of bf16, what the weights mean is computed with in f32. Of integers the matmuls are the CPUs' to
// the bit; what comes before them is not, and where it rounds an activation to the next code all
// that follows has another activation.
TEST_P(CudaSeams, LogitsAreThoseOfTheStoredNumbers) {
  const auto& [precision, tolerance] = GetParam();
  TestEngine stored(kPictureDir, whole_on_one(model_), precision);
  TestEngine f32(kPictureDir, whole_on_one(model_));
  write_meaning(stored, f32);
  TestEngine gpu(kPictureDir, split_, precision, 64, 1, 2, {}, open_next_gpu);
  const bool integer = weight_format(precision).integer;
  const std::vector<float> want = logits_of(integer ? stored : f32), got = logits_of(gpu);
  EXPECT_LT(largest_difference(got, want) / largest(want), tolerance);
}

// f32: sums in another order. bf16: 2^-9 of each activation, key and value through six layers, of
// which logits keep 2.1e-2 of their largest. Integers: 2e-7 where no activation rounds to another
// code (int5, here), 8e-3 to 1.9e-2 where some do.
INSTANTIATE_TEST_SUITE_P(
    Weights, CudaSeams,
    testing::Values(Stored{Precision::kF32, 1e-5}, Stored{Precision::kBF16, 4e-2},
                    Stored{Precision::kInt8, 4e-2}, Stored{Precision::kInt6, 4e-2},
                    Stored{Precision::kInt5, 4e-2}, Stored{Precision::kInt4, 4e-2}),
    [](const auto& test) { return std::string(precision_name(test.param.precision)); });

}  // namespace
}  // namespace tessera
