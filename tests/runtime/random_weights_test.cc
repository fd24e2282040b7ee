#include "runtime/random_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>

#include "ops/convert.h"
#include "runtime/checkpoint_weights.h"
#include "tests/runtime/goldens.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A tiny model's folder with a seed in the place of its weights.
class RandomWeightsTest : public testing::Test {
 protected:
  RandomWeightsTest() {
    fs::copy(golden_dir("yi_vl_tiny"), dir_.path(), fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      const std::string name = entry.path().string();
      if (name.ends_with(".bin") || name.ends_with(".safetensors")) fs::remove(entry.path());
    }
    write("{\"seed\": 7}");
  }

  void write(const std::string& text) const { dir_.write(kRandomWeightsName, text); }

  const TempFolder dir_;
};

std::vector<float> values_of(const RandomWeights& weights, const WeightSource& source) {
  const TensorEntry& entry = weights.find(source);
  const std::string bytes = weights.open(entry.file)->read(entry.offset, entry.bytes);
  std::vector<float> values(entry.bytes / 2);
  convert(bytes.data(), entry.dtype, values.data(), DType::kF32,
          static_cast<int64_t>(values.size()));
  return values;
}

TEST_F(RandomWeightsTest, AModelAnswersTheSameOnAnyNumberOfDevices) {
  EngineOptions options;
  options.model_path = dir_.path();
  options.precision = "f32";
  std::vector<int32_t> first;
  for (const char* devices : {"cpu@8MiB", "3xcpu@4MiB"}) {
    options.devices = devices;
    const auto engine = Engine::create(options);
    const Answer answer =
        engine->generate({.messages = {{.text = "Hello"}}, .temperature = 0, .max_new_tokens = 8});
    EXPECT_EQ(answer.token_ids.size(), 8U);
    if (first.empty()) first = answer.token_ids;
    EXPECT_EQ(answer.token_ids, first);
  }
  EXPECT_GT(std::set(first.begin(), first.end()).size(), 1U);
}

TEST_F(RandomWeightsTest, ReadInPiecesOrWholeTheyAreTheSame) {
  const ModelSpec model = read_model(dir_.path());
  const auto weights = RandomWeights::open(model);
  const auto source = weights->open("");
  const std::string whole = source->read(0, source->size());
  for (uint64_t at = 0, bytes = 2; at < whole.size(); at += bytes, bytes = bytes % 4090 + 6) {
    const uint64_t count = std::min<uint64_t>(bytes, whole.size() - at);
    ASSERT_EQ(source->read(at, count), whole.substr(at, count)) << at;
  }
  write("{\"seed\": 8}");
  const auto other = RandomWeights::open(model);
  EXPECT_NE(other->open("")->read(0, 64), whole.substr(0, 64));
}

// A thousand numbers' mean is off by 0.03 of their deviation, their variance by 0.03 of itself:
// five times that.
TEST_F(RandomWeightsTest, HaveTheVarianceThatKeepsRowsInBounds) {
  const ModelSpec model = read_model(dir_.path());
  const auto weights = RandomWeights::open(model);
  for (const WeightSpec& weight : model.layers[0].weights)
    for (const WeightSource& source : weight.sources) {
      const std::vector<float> values = values_of(*weights, source);
      const auto n = static_cast<double>(values.size());
      const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
      double squares = 0;
      for (const float value : values) squares += (value - mean) * (value - mean) / n;
      if (source.shape.size() == 1) {
        EXPECT_NEAR(mean, 1, 0.05) << source.tensor;
      } else {
        const auto inputs = static_cast<double>(source.shape[1]);
        EXPECT_NEAR(mean * std::sqrt(inputs), 0, 5 / std::sqrt(n)) << source.tensor;
        EXPECT_NEAR(squares * inputs, 1, 5 / std::sqrt(n)) << source.tensor;
      }
    }
}

TEST_F(RandomWeightsTest, SaysWhatIsWrongWithTheFile) {
  const ModelSpec model = read_model(dir_.path());
  for (const char* text : {"", "[]", "{}", "{\"seed\": -1}", "{\"seed\": \"x\"}"}) {
    write(text);
    EXPECT_THAT(error_of([&] { RandomWeights::open(model); }), HasSubstr(kRandomWeightsName))
        << text;
  }
}

}  // namespace
}  // namespace tessera
