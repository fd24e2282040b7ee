#pragma once

#include <string>

#include "base/json.h"
#include "checkpoint/model_config.h"

namespace tessera {

// The parts of read_model_config, on documents that are already in memory. Each throws Error for
// what its struct cannot hold or Tessera cannot run.

/// The supported family of config.json; others are refused by the name they go by.
ModelConfig::Family parse_family(const JsonReader& config);

DecoderConfig parse_decoder_config(const JsonReader& config);

/// `vit` is vit/NAME/config.json, `config` the model's own. `folder` is left empty.
VisionConfig parse_vision_config(const JsonReader& vit, const JsonReader& config);

ProjectorConfig parse_projector_config(const JsonReader& config, const DecoderConfig& decoder,
                                       const VisionConfig& vision);

PreprocessConfig parse_preprocess_config(const JsonReader& preprocessor, const JsonReader& config,
                                         const VisionConfig& vision);

GenerationConfig parse_generation_config(const JsonReader& generation);

/// "eos_token_id": an id from 0 to max, or a list of 1 to 64 of them. Empty when the key is absent
/// or null.
std::vector<int64_t> parse_eos_ids(const JsonReader& reader, int64_t max);

/// mm_vision_tower as a path inside the model folder: "./vit/NAME" -> "vit/NAME". Throws Error when
/// it is absolute or climbs out.
std::string vision_folder(const JsonReader& config);

/// What the Yi-VL releases have in vit/NAME/config.json and preprocessor_config.json.
Json published_vision_config();
Json published_preprocessor_config();

}  // namespace tessera
