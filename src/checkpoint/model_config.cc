#include "checkpoint/model_config.h"

#include <fmt/format.h>

#include "base/file.h"
#include "checkpoint/config_parts.h"
#include "checkpoint/packed_manifest.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 20;

Json read_config(const std::string& path) {
  return read_json_file(path, kMaxConfigBytes);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// `lone`: the caller named a config.json, so that the tower's files may be missing.
void read_vision_parts(const JsonReader& config, bool lone, ModelConfig& out) {
  const std::string folder = path_inside(out.dir, vision_folder(config), config.where());
  const auto read_or_assume = [&](const char* name, Json (*published)()) {
    const std::string path = folder + "/" + name;
    if (!lone || file_exists(path)) return read_config(path);
    out.vision_assumed = true;
    return published();
  };
  const Json vit = read_or_assume("config.json", published_vision_config);
  out.vision = parse_vision_config(JsonReader(vit, folder + "/config.json"), config);
  out.vision->folder = folder;
  out.projector = parse_projector_config(config, out.decoder, *out.vision);

  const Json preprocessor =
      read_or_assume("preprocessor_config.json", published_preprocessor_config);
  out.preprocess = parse_preprocess_config(
      JsonReader(preprocessor, folder + "/preprocessor_config.json"), config, *out.vision);
}

}  // namespace

ModelConfig::Family parse_family(const JsonReader& config) {
  constexpr const char* kSupported =
      "[\"LlavaLlamaForCausalLM\"] (Yi-VL) or [\"LlamaForCausalLM\"] (Llama, Yi)";
  const Json& architectures = config.at("architectures");
  const auto refuse = [&](const char* hint) {
    config.fail("architectures", kSupported, describe_json(architectures), hint);
  };
  if (!architectures.is_array() || architectures.size() != 1 || !architectures[0].is_string())
    refuse("");
  const auto name = architectures[0].get<std::string>();
  if (name == "LlamaForCausalLM") return ModelConfig::Family::kLlama;
  if (name == "LlavaForConditionalGeneration")
    refuse("a converted checkpoint; use the one as published by 01-ai");
  if (name != "LlavaLlamaForCausalLM") refuse("this model is not supported");
  return ModelConfig::Family::kYiVl;
}

const char* family_name(ModelConfig::Family family) {
  return family == ModelConfig::Family::kYiVl ? "Yi-VL" : "Llama";
}

ModelConfig read_model_config(const std::string& path) {
  const bool lone = !directory_exists(path);
  std::string file = path;
  if (!lone) {
    while (file.size() > 1 && file.ends_with('/')) file.pop_back();
    file += "/config.json";
  }
  const std::string dir = folder_of(file);
  refuse_unfinished_copy(dir);
  const Json json = read_config(file);
  const JsonReader config(json, file);

  ModelConfig out;
  out.dir = dir;
  out.family = parse_family(config);
  out.decoder = parse_decoder_config(config);
  if (out.family == ModelConfig::Family::kYiVl) read_vision_parts(config, lone, out);
  if (const std::string beside = out.dir + "/generation_config.json"; file_exists(beside)) {
    const Json generation = read_config(beside);
    out.generation = parse_generation_config(JsonReader(generation, beside));
  }
  return out;
}

}  // namespace tessera
