// The published shapes of Yi-VL-6B and Yi-VL-34B, counted by hand: h wide, f in the MLP, k of keys
// or values, v words, n layers. A layer has 2 h^2 + 2 h k + 3 h f in matrices and 2 h in norms. The
// checkpoints' indices agree: 818 tensors of 6B, 13.43 GB in bf16.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "model/model.h"

namespace tessera {
namespace {

struct PublishedShape {
  std::string name;
  size_t layers;
  size_t decoder_tensors;  ///< 9 a layer, embedding, last norm, head
  int64_t layer_parameters, table_parameters, last_norm_parameters;
  int64_t projector_parameters;
  int64_t kv_bytes_per_token;  ///< of all layers, bf16: 2 x k x 2 bytes a layer
};

// The tower: 32 layers of 16 tensors, class, patches and positions, 2 norms with their biases. Rows
// are taken before the last layer, which stays unread like the norm behind it.
constexpr size_t kTowerTensors = 32 * 16 + 3 + 2 * 2, kUnreadTensors = 16 + 2;
constexpr int64_t kTowerParametersRead = 612'069'120;
constexpr size_t kProjectorTensors = 8;  // two linears and two norms, with biases

class DescribeModel : public testing::TestWithParam<PublishedShape> {
 protected:
  const PublishedShape& want() const { return GetParam(); }
  const ModelSpec model_ = describe_model(
      read_model_config(std::string(TESSERA_GOLDEN_DIR) + "/configs/" + want().name));
};

std::set<std::string> tensors_of(const UnitSpec& unit) {
  std::set<std::string> names;
  for (const WeightSpec& weight : unit.weights)
    for (const WeightSource& source : weight.sources)
      EXPECT_TRUE(names.insert(source.tensor).second) << source.tensor;
  return names;
}

int64_t parameters_in(const UnitSpec& unit, const std::string& prefix) {
  int64_t sum = 0;
  for (const WeightSpec& weight : unit.weights)
    for (const WeightSource& source : weight.sources) {
      if (!source.tensor.starts_with(prefix)) continue;
      int64_t size = 1;
      for (const int64_t side : source.shape) size *= side;
      sum += size;
    }
  return sum;
}

TEST_P(DescribeModel, NamesEveryTensorThatIsRead) {
  std::set<std::string> decoder;
  std::vector<const UnitSpec*> units = {&model_.embedding, &model_.head};
  for (const UnitSpec& layer : model_.layers) units.push_back(&layer);
  size_t named = 0;
  for (const UnitSpec* unit : units) {
    const std::set<std::string> own = tensors_of(*unit);
    named += own.size();
    decoder.insert(own.begin(), own.end());
  }
  EXPECT_EQ(decoder.size(), named);  // no tensor in two units
  EXPECT_EQ(decoder.size(), want().decoder_tensors);
  for (const char* name : {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
                           "model.layers.0.self_attn.k_proj.weight"})
    EXPECT_TRUE(decoder.contains(name)) << name;

  std::set<std::string> vision = tensors_of(*model_.vision);
  EXPECT_EQ(
      std::erase_if(
          vision, [](const std::string& name) { return name.starts_with("model.mm_projector."); }),
      kProjectorTensors);
  EXPECT_EQ(vision.size(), kTowerTensors - kUnreadTensors);
  EXPECT_TRUE(vision.contains("vision_model.encoder.layers.30.mlp.fc2.bias"));
  EXPECT_FALSE(vision.contains("vision_model.encoder.layers.31.mlp.fc2.bias"));
  EXPECT_FALSE(vision.contains("vision_model.post_layernorm.weight"));
}

TEST_P(DescribeModel, HasThePublishedParameters) {
  ASSERT_EQ(model_.layers.size(), want().layers);
  for (const UnitSpec& layer : model_.layers) {
    EXPECT_EQ(layer.parameters(), want().layer_parameters) << layer.name;
    EXPECT_EQ(parameters_in(layer, ""), want().layer_parameters) << layer.name;
  }
  EXPECT_EQ(model_.embedding.parameters(), want().table_parameters);
  EXPECT_EQ(model_.head.parameters(), want().table_parameters + want().last_norm_parameters);
  EXPECT_EQ(parameters_in(*model_.vision, "model.mm_projector."), want().projector_parameters);
  EXPECT_EQ(parameters_in(*model_.vision, "vision_model."), kTowerParametersRead);
  EXPECT_EQ(model_.vision->parameters(), kTowerParametersRead + want().projector_parameters);
}

TEST_P(DescribeModel, HasTheKeysAndValuesOfGroupedHeads) {
  EXPECT_EQ(model_.kv_bytes_per_token(KvFormat::kBF16) * static_cast<int64_t>(want().layers),
            want().kv_bytes_per_token);
  EXPECT_EQ(model_.kv_bytes_per_token(KvFormat::kF32),
            2 * model_.kv_bytes_per_token(KvFormat::kBF16));
}

INSTANTIATE_TEST_SUITE_P(Published, DescribeModel,
                         testing::Values(PublishedShape{.name = "yi-vl-6b",
                                                        .layers = 32,
                                                        .decoder_tensors = 291,
                                                        .layer_parameters = 173'023'232,
                                                        .table_parameters = 262'144'000,
                                                        .last_norm_parameters = 4096,
                                                        .projector_parameters = 22'044'672,
                                                        .kv_bytes_per_token = 65'536},
                                         PublishedShape{.name = "yi-vl-34b",
                                                        .layers = 60,
                                                        .decoder_tensors = 543,
                                                        .layer_parameters = 557'856'768,
                                                        .table_parameters = 458'752'000,
                                                        .last_norm_parameters = 7168,
                                                        .projector_parameters = 60'598'272,
                                                        .kv_bytes_per_token = 245'760}),
                         [](const auto& test) {
                           return test.param.name == "yi-vl-6b" ? "Yi6B" : "Yi34B";
                         });

}  // namespace
}  // namespace tessera
