#include <fmt/format.h>

#include "checkpoint/config_parts.h"

namespace tessera {
namespace {

// Beyond any published model by a factor of ten or so, and small enough that no product of a few
// of them (parameters of a layer, bytes of all layers) comes near 2^63.
constexpr int64_t kMaxWidth = 1 << 17, kMaxIntermediate = 1 << 20;
constexpr int64_t kMaxLayers = 1024, kMaxHeads = 1024, kMaxHeadDim = 1024;
constexpr int64_t kMaxVocab = 1 << 22, kMaxPositions = 1 << 24;
constexpr double kMinEps = 1e-15, kMaxEps = 0.1;
constexpr double kMinTheta = 1, kMaxTheta = 1e15;
constexpr int64_t kLlama2Eos = 2;  // older files leave it out

// Present and meaningful means that the model computes something that Tessera does not.
void refuse_unless(bool fine, const JsonReader& config, const std::string& key,
                   const std::string& supported) {
  if (!fine)
    config.fail(key, supported, describe_json(config.at(key)), "anything else is not supported");
}

int64_t head_dim_of(const JsonReader& config, int64_t hidden, int64_t heads) {
  if (!config.has("head_dim") && hidden % heads != 0)
    config.fail("num_attention_heads", fmt::format("a divisor of hidden_size {}", hidden),
                fmt::format("{}", heads));
  const int64_t head_dim = config.integer_or("head_dim", hidden / heads, 1, kMaxHeadDim);
  if (head_dim > kMaxHeadDim || head_dim % 2 != 0)
    config.fail(config.has("head_dim") ? "head_dim" : "num_attention_heads",
                fmt::format("an even head size up to {}, for RoPE", kMaxHeadDim),
                fmt::format("{}", head_dim));
  return head_dim;
}

// At the top, or in rope_parameters as transformers 5 writes it.
double rope_theta_of(const JsonReader& config) {
  refuse_unless(!config.has("rope_scaling"), config, "rope_scaling", "null");
  constexpr double kLlama2Theta = 10000;  // older files leave it out
  const double theta = config.number_or("rope_theta", kLlama2Theta, kMinTheta, kMaxTheta);
  if (!config.has("rope_parameters")) return theta;

  const JsonReader rope = config.object("rope_parameters");
  const std::string type = rope.string_or("rope_type", "default");
  refuse_unless(type == "default", rope, "rope_type", "\"default\"");
  const double nested = rope.number_or("rope_theta", theta, kMinTheta, kMaxTheta);
  if (config.has("rope_theta") && nested != theta)
    rope.fail("rope_theta", fmt::format("{}, as rope_theta at the top", theta),
              fmt::format("{}", nested));
  return nested;
}

// torch_dtype; transformers 5 calls it dtype. Without it the reference loads f32.
DType dtype_of(const JsonReader& config) {
  const std::string key = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.string_or(key, "float32");
  if (name == "float32") return DType::kF32;
  if (name == "bfloat16") return DType::kBF16;
  if (name == "float16") return DType::kF16;
  config.fail(key, "\"bfloat16\", \"float16\" or \"float32\"", describe_json(config.at(key)));
}

void refuse_other_computations(const JsonReader& config) {
  const std::string act = config.string_or("hidden_act", "silu");
  refuse_unless(act == "silu", config, "hidden_act", "\"silu\"");
  for (const char* key : {"attention_bias", "mlp_bias"})
    refuse_unless(!config.boolean_or(key, false), config, key, "false");
  for (const char* key : {"quantization_config", "sliding_window"})
    refuse_unless(!config.has(key), config, key, "null");
  if (config.has("partial_rotary_factor"))
    refuse_unless(config.number("partial_rotary_factor", 0, 1) == 1, config,
                  "partial_rotary_factor", "1");
}

}  // namespace

DecoderConfig parse_decoder_config(const JsonReader& config) {
  refuse_other_computations(config);
  DecoderConfig out;
  out.hidden = config.integer("hidden_size", 1, kMaxWidth);
  out.intermediate = config.integer("intermediate_size", 1, kMaxIntermediate);
  out.layers = config.integer("num_hidden_layers", 1, kMaxLayers);
  out.heads = config.integer("num_attention_heads", 1, kMaxHeads);
  out.kv_heads = config.integer_or("num_key_value_heads", out.heads, 1, out.heads);
  if (out.heads % out.kv_heads != 0)
    config.fail("num_key_value_heads",
                fmt::format("a divisor of num_attention_heads {}", out.heads),
                fmt::format("{}", out.kv_heads));
  out.head_dim = head_dim_of(config, out.hidden, out.heads);
  out.vocab = config.integer("vocab_size", 1, kMaxVocab);
  out.max_positions = config.integer("max_position_embeddings", 1, kMaxPositions);
  out.rope_theta = rope_theta_of(config);
  out.rms_eps = config.number("rms_norm_eps", kMinEps, kMaxEps);
  out.tie_embeddings = config.boolean_or("tie_word_embeddings", false);
  out.dtype = dtype_of(config);
  if (config.has("bos_token_id")) out.bos_id = config.integer("bos_token_id", 0, out.vocab - 1);
  out.eos_ids = parse_eos_ids(config, out.vocab - 1);
  out.eos_assumed = out.eos_ids.empty();
  if (out.eos_assumed) out.eos_ids = {kLlama2Eos};
  out.pad_id = config.integer_or("pad_token_id", -1, -1, out.vocab - 1);
  return out;
}

}  // namespace tessera
