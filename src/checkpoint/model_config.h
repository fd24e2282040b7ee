#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace tessera {

/// The language model: a Llama decoder. Bounds are those of decoder_config.cc.
struct DecoderConfig {
  int64_t hidden = 0;        ///< width of the residual stream
  int64_t intermediate = 0;  ///< width of the SwiGLU
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  ///< divides heads
  int64_t head_dim = 0;  ///< even; heads * head_dim need not be hidden
  int64_t vocab = 0;
  int64_t max_positions = 0;  ///< tokens that a sequence may have
  double rope_theta = 0;
  double rms_eps = 0;
  bool tie_embeddings = false;   ///< the output head is the token embedding
  DType dtype = DType::kF32;     ///< what the configuration says; each tensor has its own
  int64_t bos_id = -1;           ///< -1 where the file does not say
  std::vector<int64_t> eos_ids;  ///< one or more; each ends an answer
  bool eos_assumed = false;      ///< the file does not say: Llama 2's
  int64_t pad_id = -1;           ///< -1 where there is none
};

/// The vision tower: a CLIP vision transformer, as much of it as the model uses.
struct VisionConfig {
  enum Activation { gelu_erf, quick_gelu, gelu_tanh };

  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t layers = 0;      ///< as stored; blocks_used of them run
  int64_t heads = 0;       ///< divides hidden
  int64_t image_size = 0;  ///< pixels a side; a multiple of patch_size
  int64_t patch_size = 0;
  int64_t channels = 0;
  Activation activation = gelu_erf;
  double layer_norm_eps = 0;
  int64_t blocks_used = 0;        ///< 1 to layers, from mm_vision_select_layer
  bool keep_class_token = false;  ///< from mm_vision_select_feature
  std::string folder;             ///< with config, preprocessor and perhaps weights: "DIR/vit/NAME"

  int64_t patches() const { return (image_size / patch_size) * (image_size / patch_size); }
  int64_t rows_out() const { return patches() + (keep_class_token ? 1 : 0); }  ///< tokens a picture
};

/// The multi-layer perceptron between tower and decoder: depth Linears with GELU between them, and
/// with layer_norms a LayerNorm after each Linear.
struct ProjectorConfig {
  int64_t depth = 0;
  bool layer_norms = false;
  bool numbered = true;  ///< tensors are mm_projector.0, .1, ...; a lone "linear" has no number
  int64_t in = 0;        ///< the tower's hidden
  int64_t out = 0;       ///< the decoder's hidden
};

/// How a picture becomes the tower's input: pad to a square where asked, resize (bicubic) to `size`
/// on the shorter side, cut `crop` x `crop` from the middle, (v * rescale - mean) / std.
struct PreprocessConfig {
  int64_t size = 0;
  int64_t crop = 0;  ///< the tower's image_size; at most size
  std::array<double, 3> mean = {}, std = {};
  double rescale = 0;
  bool pad_to_square = false;  ///< with the colour int(mean * 255)
};

/// What the checkpoint suggests for sampling; empty where it says nothing.
struct GenerationConfig {
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, repetition_penalty;
  std::optional<int64_t> top_k, num_beams, max_length, max_new_tokens;
  std::optional<int64_t> bos_id, pad_id;
  std::vector<int64_t> eos_ids;  ///< they count instead of the decoder's
};

struct ModelConfig {
  enum class Family { kYiVl, kLlama };

  Family family = Family::kLlama;
  std::string dir;  ///< the model folder
  DecoderConfig decoder;
  std::optional<VisionConfig> vision;  ///< these three: all with kYiVl, none with kLlama
  std::optional<ProjectorConfig> projector;
  std::optional<PreprocessConfig> preprocess;
  GenerationConfig generation;
  bool vision_assumed = false;  ///< vit/ was not there; its shape is that of the Yi-VL releases
};

/// Reads config.json and, for a model with pictures, the configuration and preprocessor_config.json
/// of the tower; generation_config.json where there is one. Every value is checked; a value that
/// Tessera cannot honour is an Error that names file, key, expected and found.
///
/// `path` is a model folder, or a config.json. A lone config.json, before the download, needs no
/// vit/ folder beside it: then the shape of the published releases is assumed and marked.
ModelConfig read_model_config(const std::string& path);

const char* family_name(ModelConfig::Family family);  ///< "Yi-VL", "Llama"

}  // namespace tessera
