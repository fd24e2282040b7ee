#include "runtime/vision_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"
#include "tests/runtime/goldens.h"

namespace tessera {
namespace {

// A tower of a tenth of a second or more, that a moment in its middle can be met.
ModelSpec model_with_a_long_tower() {
  ModelConfig config = read_model_config(golden_dir("configs/yi-vl-6b/config.json"));
  VisionConfig& vision = *config.vision;
  vision.hidden = 320;
  vision.intermediate = 1280;
  vision.layers = vision.blocks_used = 12;
  vision.image_size = 224;
  config.projector->in = vision.hidden;
  config.projector->out = config.decoder.hidden = 256;
  config.decoder.layers = 1;
  return describe_model(config);
}

std::vector<float> random_floats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-0.1F, 0.1F);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

TEST(VisionRunner, ACancelledPictureEndsInTheMiddleOfItsTower) {
  const ModelSpec model = model_with_a_long_tower();
  const auto device = open_virtual_device(
      {.name = "cpu:0", .kind = DeviceKind::kVirtual, .budget_bytes = 1ULL << 30, .threads = 1});
  VisionRunner runner(model, *device, Precision::kF32);
  // Whatever their layout, all of them are f32.
  const std::vector<float> weights =
      random_floats(layout_of(*model.vision, Precision::kF32).bytes / sizeof(float), 1);
  std::ranges::copy(weights, static_cast<float*>(runner.unit_base()));
  const std::vector<float> pixels = random_floats(3 * 224 * 224, 2);

  const auto whole = runner.encode(pixels);
  whole->ready->synchronize();
  const double tower_s = whole->encode_s();
  EXPECT_THAT(whole->rows, testing::Contains(testing::Ne(0.0F)));

  CancelFlag cancel;
  const double start_s = now_s();
  const auto stopped = runner.encode(pixels, &cancel);
  sleep_until_s(start_s + tower_s / 5);
  cancel.cancel();
  stopped->ready->synchronize();
  EXPECT_LT(now_s() - start_s, tower_s / 2);

  const auto again = runner.encode(pixels);
  again->ready->synchronize();
  EXPECT_THAT(again->rows, testing::ElementsAreArray(whole->rows));
}

}  // namespace
}  // namespace tessera
