#include "checkpoint/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kConfigs = std::string(TESSERA_GOLDEN_DIR) + "/configs/";
const std::string kVit = "vit/clip-vit-H-14-laion2B-s32B-b79K-yi-vl-6B-448";

Json published(const std::string& file) {
  return read_json_file(kConfigs + "yi-vl-6b/" + file, 1 << 20);
}

// A copy of the published Yi-VL-6B configuration in which single values are changed.
class Changed : public testing::Test {
 protected:
  using Change = std::function<void(Json&)>;

  ModelConfig read(const std::string& file, const Change& change) const {
    for (const std::string& name :
         {std::string("config.json"), std::string("generation_config.json"), kVit + "/config.json",
          kVit + "/preprocessor_config.json"}) {
      Json json = published(name);
      if (name == file || name == kVit + "/" + file) change(json);
      folder_.write(name, json.dump());
    }
    return read_model_config(folder_.path());
  }

  std::string error(const std::string& file, const std::string& key, const Json& value) const {
    return error_of([&] { read(file, [&](Json& json) { json[key] = value; }); });
  }
  std::string config_error(const std::string& key, const Json& value) const {
    return error("config.json", key, value);
  }
  std::string vit_error(const std::string& key, const Json& value) const {
    const Change change = [&](Json& json) { json[key] = value; };
    return error_of([&] { read_vit(change); });
  }
  // The main configuration is the published one; the tower's is changed.
  ModelConfig read_vit(const Change& change) const {
    read("none", {});
    Json json = published(kVit + "/config.json");
    change(json);
    folder_.write(kVit + "/config.json", json.dump());
    return read_model_config(folder_.path());
  }
  std::string preprocessor_error(const std::string& key, const Json& value) const {
    return error("preprocessor_config.json", key, value);
  }

  TempFolder folder_;
};

TEST(ModelConfig, ReadsTheReleasesOfYiVl) {
  for (const bool large : {false, true}) {
    const std::string name = large ? "yi-vl-34b" : "yi-vl-6b";
    const ModelConfig c = read_model_config(kConfigs + name);
    EXPECT_EQ(c.family, ModelConfig::Family::kYiVl);
    EXPECT_EQ(c.dir, kConfigs + name);
    EXPECT_FALSE(c.vision_assumed);
    EXPECT_EQ(c.decoder.hidden, large ? 7168 : 4096);
    EXPECT_EQ(c.decoder.intermediate, large ? 20480 : 11008);
    EXPECT_EQ(c.decoder.layers, large ? 60 : 32);
    EXPECT_EQ(c.decoder.heads, large ? 56 : 32);
    EXPECT_EQ(c.decoder.kv_heads, large ? 8 : 4);
    EXPECT_EQ(c.decoder.head_dim, 128);
    EXPECT_EQ(c.decoder.vocab, 64000);
    EXPECT_EQ(c.decoder.max_positions, 4096);
    EXPECT_EQ(c.decoder.rope_theta, 5e6);
    EXPECT_EQ(c.decoder.rms_eps, 1e-5);
    EXPECT_EQ(c.decoder.dtype, DType::kBF16);
    EXPECT_FALSE(c.decoder.tie_embeddings);
    EXPECT_EQ(c.decoder.bos_id, 1);
    EXPECT_THAT(c.decoder.eos_ids, testing::ElementsAre(2));
    EXPECT_EQ(c.decoder.pad_id, -1);
    EXPECT_EQ(c.vision->hidden, 1280);
    EXPECT_EQ(c.vision->layers, 32);
    EXPECT_EQ(c.vision->blocks_used, 31);
    EXPECT_EQ(c.vision->activation, VisionConfig::gelu_erf);
    EXPECT_EQ(c.vision->rows_out(), 1024);
    EXPECT_TRUE(directory_exists(c.vision->folder));
    EXPECT_EQ(c.projector->depth, 2);
    EXPECT_TRUE(c.projector->layer_norms);
    EXPECT_EQ(c.projector->in, 1280);
    EXPECT_EQ(c.projector->out, c.decoder.hidden);
    EXPECT_EQ(c.preprocess->size, 448);
    EXPECT_EQ(c.preprocess->crop, 448);
    EXPECT_THAT(c.preprocess->mean, ElementsAre(0.48145466, 0.4578275, 0.40821073));
    EXPECT_EQ(c.preprocess->rescale, 1.0 / 255);
    EXPECT_TRUE(c.preprocess->pad_to_square);
    EXPECT_EQ(c.generation.temperature, 0.6);
    EXPECT_EQ(c.generation.top_p, 0.8);
    EXPECT_EQ(c.generation.pad_id, 0);
    EXPECT_EQ(c.generation.top_k, std::nullopt);
  }
}

TEST(ModelConfig, ReadsTheTestCheckpoints) {
  int read = 0;
  for (const auto& folder : fs::directory_iterator(TESSERA_GOLDEN_DIR)) {
    if (!fs::exists(folder.path() / "config.json")) continue;
    SCOPED_TRACE(folder.path().string());
    ++read;
    const ModelConfig c = read_model_config(folder.path().string());
    EXPECT_EQ(c.vision.has_value(), c.family == ModelConfig::Family::kYiVl);
    EXPECT_EQ(c.projector.has_value(), c.preprocess.has_value());
  }
  EXPECT_GE(read, 4);

  const std::string golden = TESSERA_GOLDEN_DIR;
  const ModelConfig odd = read_model_config(golden + "/yi_vl_odd/");
  EXPECT_EQ(odd.dir, golden + "/yi_vl_odd");
  EXPECT_EQ(odd.vision->activation, VisionConfig::quick_gelu);
  EXPECT_EQ(odd.projector->depth, 3);
  EXPECT_EQ(odd.preprocess->crop, 35);  // the newer spelling
  EXPECT_EQ(read_model_config(golden + "/yi_vl_shards").vision->blocks_used, 2);  // select layer -1
  const ModelConfig llama = read_model_config(golden + "/llama_tiny");
  EXPECT_EQ(llama.family, ModelConfig::Family::kLlama);
  EXPECT_TRUE(llama.decoder.tie_embeddings);
  EXPECT_EQ(llama.decoder.dtype, DType::kF16);
}

TEST(ModelConfig, AssumesThePublishedTowerForALoneConfigOnly) {
  const TempFolder folder;
  const std::string file = folder.write("config.json", published("config.json").dump());
  const ModelConfig lone = read_model_config(file);
  EXPECT_TRUE(lone.vision_assumed);
  EXPECT_EQ(lone.dir, folder.path());
  EXPECT_EQ(lone.vision->image_size, 448);
  EXPECT_EQ(lone.preprocess->crop, 448);
  EXPECT_EQ(lone.vision->folder, folder.path(kVit));

  EXPECT_THAT(error_of([&] { read_model_config(folder.path()); }),
              HasSubstr(kVit + "/config.json: cannot open"));
  EXPECT_FALSE(read_model_config(kConfigs + "yi-vl-6b/config.json").vision_assumed);

  Json other = published("config.json");
  other["mm_hidden_size"] = 1024;
  EXPECT_THAT(error_of([&] { read_model_config(folder.write("config.json", other.dump())); }),
              HasSubstr("mm_hidden_size: expected 1280, the tower's hidden_size, found 1024"));
}

TEST(ModelConfig, RefusesWhatIsNoConfig) {
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { read_model_config(folder.path()); }),
              HasSubstr("config.json: cannot open: No such file"));
  EXPECT_THAT(error_of([&] { read_model_config(folder.path("none")); }), HasSubstr("cannot open"));
  const auto of = [&](const std::string& text) {
    return error_of([&] { read_model_config(folder.write("config.json", text)); });
  };
  EXPECT_THAT(of(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(of("[]"), HasSubstr("expected a JSON object, found []"));
  EXPECT_THAT(of("{}"), HasSubstr("architectures: expected this key, found none"));
  EXPECT_THAT(of(std::string(2 << 20, ' ')),
              HasSubstr("file size: expected at most 1048576 bytes"));
}

TEST_F(Changed, RefusesOtherModelsByName) {
  for (const Json& names : {Json({"MistralForCausalLM"}), Json({"YiForCausalLM"}), Json("Llama"),
                            Json::array(), Json({"LlamaForCausalLM", "x"}), Json({3}), Json()})
    EXPECT_THAT(config_error("architectures", names),
                HasSubstr("architectures: expected [\"LlavaLlamaForCausalLM\"] (Yi-VL) or "
                          "[\"LlamaForCausalLM\"] (Llama, Yi), found " +
                          names.dump()));
  EXPECT_THAT(config_error("architectures", Json({"LlavaForConditionalGeneration"})),
              HasSubstr("use the one as published by 01-ai"));
}

TEST_F(Changed, RefusesMissingNegativeAbsurdAndNonNumericSizes) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "vocab_size", "max_position_embeddings"}) {
    const auto message =
        HasSubstr(std::string("config.json: ") + key + ": expected an integer from 1");
    for (const Json& value : {Json(0), Json(-1), Json(int64_t{1} << 40), Json(UINT64_MAX),
                              Json("32"), Json(1.5), Json(nullptr), Json(true), Json::array({32})})
      EXPECT_THAT(config_error(key, value), message) << value;
    EXPECT_THAT(error_of([&] { read("config.json", [&](Json& json) { json.erase(key); }); }),
                HasSubstr(std::string(key) + ": expected this key, found none"));
  }
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, Json>>{
           {"num_key_value_heads", 0},
           {"num_key_value_heads", 33},
           {"rms_norm_eps", 0},
           {"rms_norm_eps", -1e-5},
           {"rms_norm_eps", 1},
           {"rms_norm_eps", "1e-5"},
           {"rope_theta", 0},
           {"rope_theta", -1},
           {"rope_theta", 1e300},
           {"rope_theta", "10000"},
           {"bos_token_id", -1},
           {"bos_token_id", 64000},
           {"eos_token_id", Json::array({1, 64000})},
           {"eos_token_id", Json::array()},
           {"eos_token_id", Json::array({"2"})},
           {"eos_token_id", 64000},
           {"pad_token_id", -2},
           {"pad_token_id", 64000},
           {"tie_word_embeddings", 1},
           {"attention_bias", "no"},
           {"mm_hidden_size", -1280},
           {"mm_vision_select_layer", "last"},
           {"mm_vision_select_layer", 33},
           {"mm_vision_select_layer", -33}})
    EXPECT_THAT(config_error(key, value),
                HasSubstr(std::string("config.json: ") + key + ": expected"))
        << value;
}

TEST_F(Changed, RefusesHeadsThatDoNotFit) {
  EXPECT_THAT(
      config_error("num_attention_heads", 30),
      HasSubstr("num_key_value_heads: expected a divisor of num_attention_heads 30, found 4"));
  EXPECT_THAT(config_error("num_attention_heads", 36),
              HasSubstr("num_attention_heads: expected a divisor of hidden_size 4096, found 36"));
  EXPECT_THAT(config_error("num_attention_heads", 4), "no error");
  EXPECT_THAT(config_error("head_dim", 127),
              HasSubstr("head_dim: expected an even head size up to 1024, for RoPE, found 127"));
  EXPECT_THAT(config_error("hidden_size", 32),
              HasSubstr("num_attention_heads: expected an even head size"));
  EXPECT_THAT(config_error("head_dim", 0), HasSubstr("head_dim: expected an integer from 1"));
  // Given, it need not be hidden / heads.
  EXPECT_EQ(read("config.json", [](Json& json) { json["head_dim"] = 64; }).decoder.head_dim, 64);
  const ModelConfig plain = read("config.json", [](Json& j) { j.erase("num_key_value_heads"); });
  EXPECT_EQ(plain.decoder.kv_heads, 32);
}

TEST_F(Changed, RefusesWhatTheDecoderDoesNotCompute) {
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, Json>>{
           {"hidden_act", "gelu"},
           {"attention_bias", true},
           {"mlp_bias", true},
           {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}},
           {"sliding_window", 4096},
           {"quantization_config", {{"quant_method", "awq"}}},
           {"partial_rotary_factor", 0.5}})
    EXPECT_THAT(config_error(key, value), HasSubstr("anything else is not supported")) << key;
  EXPECT_THAT(config_error("torch_dtype", "int8"), HasSubstr("torch_dtype: expected \"bfloat16\""));
  EXPECT_THAT(config_error("torch_dtype", 16), HasSubstr("torch_dtype: expected a string"));
}

TEST_F(Changed, TakesTheSpellingsOfNewerTransformers) {
  const ModelConfig newer = read("config.json", [](Json& json) {
    json.erase("torch_dtype");
    json.erase("rope_theta");
    json.erase("rope_scaling");
    json["dtype"] = "float16";
    json["rope_parameters"] = {{"rope_theta", 123456.0}, {"rope_type", "default"}};
  });
  EXPECT_EQ(newer.decoder.dtype, DType::kF16);
  EXPECT_EQ(newer.decoder.rope_theta, 123456);
  EXPECT_THAT(config_error("rope_parameters", {{"rope_theta", 1e4}, {"rope_type", "default"}}),
              HasSubstr("rope_parameters.rope_theta: expected 5000000"));
  EXPECT_THAT(config_error("rope_parameters", {{"rope_type", "yarn"}}),
              HasSubstr("rope_parameters.rope_type: expected \"default\", found \"yarn\""));
  EXPECT_THAT(config_error("rope_parameters", 3),
              HasSubstr("rope_parameters: expected a JSON object"));
  const ModelConfig older = read("config.json", [](Json& json) { json.erase("rope_theta"); });
  EXPECT_EQ(older.decoder.rope_theta, 10000);
}

TEST_F(Changed, KeepsTheTowerInsideTheFolder) {
  for (const char* tower : {"/etc", "../vit", "./../vit", "vit/../../x", "", ".", "./", "/"})
    EXPECT_THAT(config_error("mm_vision_tower", tower),
                HasSubstr("mm_vision_tower: expected a folder inside the model folder"))
        << tower;
  EXPECT_THAT(config_error("mm_vision_tower", nullptr),
              HasSubstr("mm_vision_tower: expected a string"));
  EXPECT_THAT(config_error("mm_vision_tower", "openai/clip-vit-large-patch14-336"),
              HasSubstr("/openai/clip-vit-large-patch14-336/config.json: cannot open"));
  EXPECT_EQ(config_error("mm_vision_tower", ".//" + kVit + "/./"), "no error");
}

TEST_F(Changed, ReadsEveryProjector) {
  const auto projector = [&](const char* type) {
    return *read("config.json", [&](Json& json) { json["mm_projector_type"] = type; }).projector;
  };
  EXPECT_EQ(projector("linear").depth, 1);
  EXPECT_FALSE(projector("linear").layer_norms);
  EXPECT_EQ(projector("mlp3x_gelu").depth, 3);
  EXPECT_FALSE(projector("mlp3x_gelu").layer_norms);
  EXPECT_TRUE(projector("mlp1x_gelu_Norm").layer_norms);
  for (const char* type : {"mlp0x_gelu_Norm", "mlp9x_gelu", "mlp12x_gelu", "mlpx_gelu", "identity",
                           "mlp2x_relu", "mlp2x_gelu_norm", "mlp-x_gelu", "_Norm", ""})
    EXPECT_THAT(config_error("mm_projector_type", type),
                HasSubstr("mm_projector_type: expected linear"));
  EXPECT_THAT(config_error("mm_use_im_start_end", true),
              HasSubstr("mm_use_im_start_end: expected false"));
  EXPECT_THAT(config_error("use_mm_proj", false), HasSubstr("use_mm_proj: expected true"));
}

TEST_F(Changed, ReadsWhichOutputsOfTheTowerCount) {
  const auto blocks = [&](int layer) {
    return read("config.json", [&](Json& json) { json["mm_vision_select_layer"] = layer; })
        .vision->blocks_used;
  };
  EXPECT_EQ(blocks(-1), 32);
  EXPECT_EQ(blocks(-32), 1);
  EXPECT_EQ(blocks(1), 1);
  EXPECT_EQ(blocks(32), 32);
  EXPECT_THAT(config_error("mm_vision_select_layer", 0),
              HasSubstr("the output of a block, found 0"));
  const ModelConfig both =
      read("config.json", [](Json& json) { json["mm_vision_select_feature"] = "cls_patch"; });
  EXPECT_EQ(both.vision->rows_out(), 1025);
  EXPECT_THAT(config_error("mm_vision_select_feature", "cls"),
              HasSubstr("\"patch\" or \"cls_patch\""));
  EXPECT_THAT(config_error("mm_hidden_size", 1024),
              HasSubstr("expected 1280, the tower's hidden_size"));
}

TEST_F(Changed, ChecksTheTower) {
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, Json>>{{"hidden_size", 0},
                                                           {"hidden_size", "1280"},
                                                           {"intermediate_size", -1},
                                                           {"num_hidden_layers", 0},
                                                           {"num_hidden_layers", 100000},
                                                           {"num_attention_heads", 17},
                                                           {"num_channels", 1},
                                                           {"image_size", 0},
                                                           {"image_size", 1 << 20},
                                                           {"patch_size", 13},
                                                           {"patch_size", 1},
                                                           {"hidden_act", "relu"},
                                                           {"hidden_act", nullptr},
                                                           {"layer_norm_eps", 0},
                                                           {"model_type", "siglip_vision_model"}})
    EXPECT_THAT(vit_error(key, value), HasSubstr(kVit + "/config.json: " + key + ": expected"))
        << value;
  const auto activation = [&](const char* name) {
    return read_vit([&](Json& json) { json["hidden_act"] = name; }).vision->activation;
  };
  EXPECT_EQ(activation("gelu"), VisionConfig::gelu_erf);
  EXPECT_EQ(activation("quick_gelu"), VisionConfig::quick_gelu);
  EXPECT_EQ(activation("gelu_pytorch_tanh"), VisionConfig::gelu_tanh);
}

TEST_F(Changed, ChecksThePreprocessor) {
  const std::string file = "preprocessor_config.json: ";
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, Json>>{
           {"size", 0},
           {"size", 447},
           {"size", "448"},
           {"size", {{"width", 448}}},
           {"size", Json::array({448})},
           {"crop_size", 336},
           {"crop_size", -448},
           {"image_mean", {0.5, 0.5}},
           {"image_mean", 0.5},
           {"image_mean", {0.5, 0.5, 2.0}},
           {"image_std", {0.5, 0.0, 0.5}},
           {"image_std", {0.5, "0.5", 0.5}},
           {"do_resize", false},
           {"do_center_crop", false},
           {"do_normalize", false},
           {"do_rescale", false},
           {"resample", 2},
           {"rescale_factor", 0},
           {"rescale_factor", "1/255"},
           {"image_processor_type", "SiglipImageProcessor"}})
    EXPECT_THAT(preprocessor_error(key, value), HasSubstr(file + key)) << value;
  EXPECT_THAT(preprocessor_error("crop_size", {{"height", 448}, {"width", 336}}),
              HasSubstr("crop_size.width: expected 448, as height, found 336"));
  EXPECT_EQ(preprocessor_error("crop_size", {{"height", 448}, {"width", 448}}), "no error");
  EXPECT_EQ(preprocessor_error("size", {{"shortest_edge", 512}}), "no error");
  EXPECT_THAT(config_error("image_aspect_ratio", "anyres"), HasSubstr("tiling is not supported"));
  EXPECT_FALSE(read("config.json", [](Json& j) {
                 j.erase("image_aspect_ratio");
               }).preprocess->pad_to_square);
}

TEST_F(Changed, ChecksWhatItSuggestsForSampling) {
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, Json>>{{"temperature", -1},
                                                           {"temperature", "hot"},
                                                           {"top_p", 1.5},
                                                           {"top_k", -1},
                                                           {"num_beams", 0},
                                                           {"max_length", -1},
                                                           {"do_sample", "yes"},
                                                           {"eos_token_id", -1}})
    EXPECT_THAT(error("generation_config.json", key, value),
                HasSubstr(std::string("generation_config.json: ") + key + ": expected"));
  read("none", {});
  fs::remove(folder_.path("generation_config.json"));
  EXPECT_EQ(read_model_config(folder_.path()).generation.temperature, std::nullopt);
}

}  // namespace
}  // namespace tessera
