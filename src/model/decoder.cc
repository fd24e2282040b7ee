#include "model/decoder.h"

#include <fmt/format.h>

#include <cmath>

#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace tessera {

UnitSpec embedding_unit(const DecoderConfig& config) {
  const std::vector<int64_t> shape = {config.vocab, config.hidden};
  return {.name = "embedding",
          .kind = UnitKind::kEmbedding,
          .weights = {
              {"table",
               WeightForm::kTable,
               config.vocab,
               config.hidden,
               {{.tensor = "model.embed_tokens.weight", .shape = shape, .rows = config.vocab}}}}};
}

UnitSpec layer_unit(const DecoderConfig& config, int64_t layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const int64_t q_rows = config.heads * config.head_dim;
  const int64_t kv_rows = config.kv_heads * config.head_dim;
  return {
      .name = fmt::format("layer {}", layer),
      .kind = UnitKind::kLayer,
      .layer = layer,
      .weights = {vector_weight("input_norm", prefix + "input_layernorm.weight", config.hidden),
                  stacked_matrix("qkv",
                                 {{prefix + "self_attn.q_proj.weight", q_rows},
                                  {prefix + "self_attn.k_proj.weight", kv_rows},
                                  {prefix + "self_attn.v_proj.weight", kv_rows}},
                                 config.hidden),
                  matrix_weight("out", prefix + "self_attn.o_proj.weight", config.hidden, q_rows),
                  vector_weight("attention_norm", prefix + "post_attention_layernorm.weight",
                                config.hidden),
                  stacked_matrix("gate_up",
                                 {{prefix + "mlp.gate_proj.weight", config.intermediate},
                                  {prefix + "mlp.up_proj.weight", config.intermediate}},
                                 config.hidden),
                  matrix_weight("down", prefix + "mlp.down_proj.weight", config.hidden,
                                config.intermediate)}};
}

UnitSpec head_unit(const DecoderConfig& config) {
  const std::string tensor = config.tie_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  return {.name = "head",
          .kind = UnitKind::kHead,
          .weights = {vector_weight("norm", "model.norm.weight", config.hidden),
                      matrix_weight("head", tensor, config.vocab, config.hidden)}};
}

DecoderLayer::DecoderLayer(const UnitWeights& weights)
    : input_norm(weights.vector("input_norm")),
      attention_norm(weights.vector("attention_norm")),
      qkv(weights.matrix("qkv")),
      out(weights.matrix("out")),
      gate_up(weights.matrix("gate_up")),
      down(weights.matrix("down")) {}

DecoderHead::DecoderHead(const UnitWeights& weights)
    : norm(weights.vector("norm")), head(weights.matrix("head")) {}

std::vector<float> rope_inverse_frequencies(const DecoderConfig& config) {
  std::vector<float> frequencies(static_cast<size_t>(config.head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    // f32 at each step, as torch computes it from an f32 arange.
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    frequencies[i] = 1.0F / std::pow(static_cast<float>(config.rope_theta), exponent);
  }
  return frequencies;
}

void decoder_layer(Stream& stream, Arena& arena, const DecoderConfig& config,
                   const DecoderLayer& layer, const Tensor& rope_frequencies, const BatchRows& rows,
                   KvPages& pages, Tensor& hidden) {
  const int64_t n = hidden.rows();
  const int64_t q_cols = config.heads * config.head_dim;
  const int64_t kv_cols = config.kv_heads * config.head_dim;
  const auto eps = static_cast<float>(config.rms_eps);
  const Arena::Scope layer_scope(arena);
  Tensor normed = arena.take(DType::kF32, {n, config.hidden});

  {
    const Arena::Scope scope(arena);
    Tensor qkv = arena.take(DType::kF32, {n, q_cols + 2 * kv_cols});

    rms_norm(stream, hidden, layer.input_norm, eps, normed);
    matmul(stream, arena, normed, layer.qkv, {}, qkv);
    Tensor q = qkv.slice_cols(0, q_cols), qk = qkv.slice_cols(0, q_cols + kv_cols);
    const Tensor k = qkv.slice_cols(q_cols, kv_cols);
    const Tensor v = qkv.slice_cols(q_cols + kv_cols, kv_cols);
    rope(stream, qk, rows.positions, config.heads + config.kv_heads, config.head_dim,
         rope_frequencies);
    kv_append(stream, k, v, rows, pages);
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));
    paged_attention(stream, q, pages, rows, config.heads, scale, q);
    matmul(stream, arena, q, layer.out, {.add_to_out = true}, hidden);
  }
  {
    const Arena::Scope scope(arena);
    Tensor gate_up = arena.take(DType::kF32, {n, 2 * config.intermediate});
    const Tensor activated = gate_up.slice_cols(0, config.intermediate);  // over the gates

    rms_norm(stream, hidden, layer.attention_norm, eps, normed);
    matmul(stream, arena, normed, layer.gate_up, {.swiglu = true}, gate_up);
    matmul(stream, arena, activated, layer.down, {.add_to_out = true}, hidden);
  }
}

void decoder_head(Stream& stream, Arena& arena, const DecoderConfig& config,
                  const DecoderHead& head, const Tensor& hidden, Tensor& logits) {
  const Arena::Scope scope(arena);
  Tensor normed = arena.take(DType::kF32, {hidden.rows(), config.hidden});
  rms_norm(stream, hidden, head.norm, static_cast<float>(config.rms_eps), normed);
  matmul(stream, arena, normed, head.head, {}, logits);
}

}  // namespace tessera
