#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/config_parts.h"

namespace tessera {
namespace {

// As in decoder_config.cc: beyond any published tower, small enough for every product of them.
constexpr int64_t kMaxTowerWidth = 1 << 16, kMaxTowerIntermediate = 1 << 18;
constexpr int64_t kMaxTowerLayers = 512, kMaxTowerHeads = 512;
constexpr int64_t kMaxImageSize = 4096, kMaxPatchSize = 256, kMaxPatches = 1 << 16;
constexpr int64_t kMaxProjectorDepth = 8;

VisionConfig::Activation activation_of(const JsonReader& vit) {
  const std::string name = vit.string("hidden_act");
  if (name == "gelu") return VisionConfig::gelu_erf;
  if (name == "quick_gelu") return VisionConfig::quick_gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return VisionConfig::gelu_tanh;
  vit.fail("hidden_act", "gelu, quick_gelu, gelu_new or gelu_pytorch_tanh",
           describe_json(vit.at("hidden_act")));
}

// hidden_states of the tower has layers + 1 entries: the input of the first block, then the output
// of each. The index counts from either end: -2 is the output of the last block but one.
int64_t blocks_used_of(const JsonReader& config, int64_t layers) {
  const int64_t layer = config.integer("mm_vision_select_layer", -layers, layers);
  const int64_t blocks = layer < 0 ? layers + 1 + layer : layer;
  if (blocks < 1)
    config.fail("mm_vision_select_layer", "the output of a block", fmt::format("{}", layer));
  return blocks;
}

bool keep_class_token_of(const JsonReader& config) {
  const std::string feature = config.string_or("mm_vision_select_feature", "patch");
  if (feature != "patch" && feature != "cls_patch")
    config.fail("mm_vision_select_feature", "\"patch\" or \"cls_patch\"",
                describe_json(config.at("mm_vision_select_feature")));
  return feature == "cls_patch";
}

// One spelling of a size: an integer, or an object in which all of `keys` say the same.
int64_t size_of(const JsonReader& preprocessor, const std::string& key,
                std::initializer_list<const char*> keys) {
  if (!preprocessor.at(key).is_object()) return preprocessor.integer(key, 1, kMaxImageSize);
  const JsonReader object = preprocessor.object(key);
  const int64_t size = object.integer(*keys.begin(), 1, kMaxImageSize);
  for (const char* other : keys)
    if (object.integer(other, 1, kMaxImageSize) != size)
      object.fail(other, fmt::format("{}, as {}", size, *keys.begin()),
                  describe_json(object.at(other)));
  return size;
}

std::array<double, 3> three_numbers(const JsonReader& preprocessor, const std::string& key,
                                    double min, double max) {
  const std::vector<double> given = preprocessor.numbers(key, 3);
  std::array<double, 3> out = {};
  for (size_t c = 0; c < 3; ++c) {
    out[c] = given[c];
    if (!(given[c] >= min && given[c] <= max))
      preprocessor.fail(key, fmt::format("numbers from {:g} to {:g}", min, max),
                        fmt::format("{}", given[c]));
  }
  return out;
}

bool pad_to_square_of(const JsonReader& config) {
  const std::string mode = config.string_or("image_aspect_ratio", "square");
  if (mode != "pad" && mode != "square")
    config.fail("image_aspect_ratio", "\"pad\" or \"square\"",
                describe_json(config.at("image_aspect_ratio")), "tiling is not supported");
  return mode == "pad";
}

}  // namespace

VisionConfig parse_vision_config(const JsonReader& vit, const JsonReader& config) {
  if (const std::string type = vit.string("model_type"); type != "clip_vision_model")
    vit.fail("model_type", "\"clip_vision_model\"", describe_json(vit.at("model_type")));
  VisionConfig out;
  out.hidden = vit.integer("hidden_size", 1, kMaxTowerWidth);
  out.intermediate = vit.integer("intermediate_size", 1, kMaxTowerIntermediate);
  out.layers = vit.integer("num_hidden_layers", 1, kMaxTowerLayers);
  out.heads = vit.integer("num_attention_heads", 1, kMaxTowerHeads);
  if (out.hidden % out.heads != 0)
    vit.fail("num_attention_heads", fmt::format("a divisor of hidden_size {}", out.hidden),
             fmt::format("{}", out.heads));
  out.channels = vit.integer_or("num_channels", 3, 3, 3);
  out.image_size = vit.integer("image_size", 1, kMaxImageSize);
  out.patch_size = vit.integer("patch_size", 1, kMaxPatchSize);
  if (out.image_size % out.patch_size != 0)
    vit.fail("patch_size", fmt::format("a divisor of image_size {}", out.image_size),
             fmt::format("{}", out.patch_size));
  if (out.patches() > kMaxPatches)
    vit.fail("patch_size", fmt::format("at most {} patches", kMaxPatches),
             fmt::format("{}", out.patches()));
  out.activation = activation_of(vit);
  out.layer_norm_eps = vit.number("layer_norm_eps", 1e-15, 0.1);

  if (config.integer("mm_hidden_size", 1, kMaxTowerWidth) != out.hidden)
    config.fail("mm_hidden_size", fmt::format("{}, the tower's hidden_size", out.hidden),
                describe_json(config.at("mm_hidden_size")), "is the tower from the same model?");
  out.blocks_used = blocks_used_of(config, out.layers);
  out.keep_class_token = keep_class_token_of(config);
  return out;
}

ProjectorConfig parse_projector_config(const JsonReader& config, const DecoderConfig& decoder,
                                       const VisionConfig& vision) {
  for (const char* key : {"mm_use_im_start_end", "mm_use_im_patch_token"})
    if (config.boolean_or(key, false)) config.fail(key, "false", "true", "not supported");
  if (!config.boolean_or("use_mm_proj", true)) config.fail("use_mm_proj", "true", "false");

  ProjectorConfig out = {
      .depth = 1, .layer_norms = false, .in = vision.hidden, .out = decoder.hidden};
  constexpr const char* kKey = "mm_projector_type";
  std::string type = config.string(kKey);
  if (type == "linear") {
    out.numbered = false;
    return out;
  }

  out.layer_norms = type.ends_with("_Norm");
  if (out.layer_norms) type.resize(type.size() - 5);
  // mlp{depth}x_gelu
  const bool shaped = type.size() == 10 && type.starts_with("mlp") && type.ends_with("x_gelu") &&
                      type[3] >= '1' && type[3] <= '0' + kMaxProjectorDepth;
  if (!shaped)
    config.fail(kKey,
                fmt::format("linear, mlp1x_gelu to mlp{0}x_gelu or mlp1x_gelu_Norm to "
                            "mlp{0}x_gelu_Norm",
                            kMaxProjectorDepth),
                describe_json(config.at(kKey)));
  out.depth = type[3] - '0';
  return out;
}

PreprocessConfig parse_preprocess_config(const JsonReader& preprocessor, const JsonReader& config,
                                         const VisionConfig& vision) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"})
    if (!preprocessor.string_or(key, "CLIP").starts_with("CLIP"))
      preprocessor.fail(key, "a CLIP processor", describe_json(preprocessor.at(key)));
  for (const char* step : {"do_resize", "do_center_crop", "do_rescale", "do_normalize"})
    if (!preprocessor.boolean_or(step, true))
      preprocessor.fail(step, "true", "false", "not supported");
  constexpr int64_t kBicubic = 3;  // as Pillow numbers its filters
  preprocessor.integer_or("resample", kBicubic, kBicubic, kBicubic);

  PreprocessConfig out;
  out.size = size_of(preprocessor, "size", {"shortest_edge"});
  out.crop = size_of(preprocessor, "crop_size", {"height", "width"});
  if (out.crop != vision.image_size)
    preprocessor.fail("crop_size", fmt::format("{}, the tower's image_size", vision.image_size),
                      fmt::format("{}", out.crop));
  if (out.size < out.crop)
    preprocessor.fail("size", fmt::format("at least crop_size {}", out.crop),
                      fmt::format("{}", out.size));
  out.mean = three_numbers(preprocessor, "image_mean", 0, 1);
  out.std = three_numbers(preprocessor, "image_std", 1e-3, 1e3);
  out.rescale = preprocessor.number_or("rescale_factor", 1.0 / 255, 1e-6, 1);
  out.pad_to_square = pad_to_square_of(config);
  return out;
}

std::string vision_folder(const JsonReader& config) {
  constexpr const char* kKey = "mm_vision_tower";
  const std::string given = config.string(kKey);
  const auto refuse = [&] {
    config.fail(kKey, "a folder inside the model folder, as \"./vit/NAME\"",
                describe_json(config.at(kKey)), "towers that lie elsewhere are not supported");
  };
  if (given.starts_with('/') || given.find('\0') != given.npos) refuse();
  std::string out;
  for (size_t begin = 0; begin < given.size();) {
    const size_t end = std::min(given.find('/', begin), given.size());
    const std::string part = given.substr(begin, end - begin);
    begin = end + 1;
    if (part == "..") refuse();
    if (part.empty() || part == ".") continue;
    out += (out.empty() ? "" : "/") + part;
  }
  if (out.empty()) refuse();
  return out;
}

Json published_vision_config() {
  return {{"model_type", "clip_vision_model"},
          {"hidden_size", 1280},
          {"intermediate_size", 5120},
          {"num_hidden_layers", 32},
          {"num_attention_heads", 16},
          {"num_channels", 3},
          {"image_size", 448},
          {"patch_size", 14},
          {"hidden_act", "gelu"},
          {"layer_norm_eps", 1e-5}};
}

Json published_preprocessor_config() {
  return {{"crop_size", 448},
          {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
          {"image_std", {0.26862954, 0.26130258, 0.27577711}},
          {"resample", 3},
          {"size", 448}};
}

}  // namespace tessera
