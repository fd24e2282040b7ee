#include "checkpoint/model_config.h"

#include <array>

#include "checkpoint/config_parts.h"
#include "tessera/error.h"

// Four documents, each after the first begun by a line "---": config.json, the tower's config.json,
// preprocessor_config.json, generation_config.json.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 4> documents;
  for (std::string_view& document : documents) {
    const size_t end = rest.find("\n---\n");
    document = rest.substr(0, end);
    rest = end == rest.npos ? "" : rest.substr(end + 5);
  }
  try {
    const Json json = parse_json(documents[0], "config.json");
    const JsonReader config(json, "config.json");
    const DecoderConfig decoder = parse_decoder_config(config);
    if (parse_family(config) == ModelConfig::Family::kYiVl) {
      vision_folder(config);
      const Json tower = parse_json(documents[1], "vit/config.json");
      const VisionConfig vision = parse_vision_config(JsonReader(tower, "vit/config.json"), config);
      parse_projector_config(config, decoder, vision);
      const Json preprocessor = parse_json(documents[2], "preprocessor_config.json");
      parse_preprocess_config(JsonReader(preprocessor, "preprocessor_config.json"), config, vision);
    }
    const Json generation = parse_json(documents[3], "generation_config.json");
    parse_generation_config(JsonReader(generation, "generation_config.json"));
  } catch (const Error&) {
  }
  return 0;
}
