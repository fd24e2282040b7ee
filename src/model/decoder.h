#pragma once

#include "checkpoint/model_config.h"
#include "model/unit.h"
#include "ops/kv_cache.h"
#include "tensor/arena.h"

namespace tessera {

/// The Llama decoder (Touvron et al. 2023, arXiv:2302.13971; grouped heads: Ainslie et al. 2023,
/// arXiv:2305.13245) as Yi uses it. Per layer, on hidden states h [rows, hidden]:
///
///   h += W_o attention(rope(W_q r), rope(W_k r), W_v r)     r = rms_norm(h)
///   h += W_down (silu(W_gate r) * W_up r)                   r = rms_norm(h)
///
/// and at the end logits = W_head rms_norm(h). No biases.

UnitSpec embedding_unit(const DecoderConfig& config);
UnitSpec layer_unit(const DecoderConfig& config, int64_t layer);
UnitSpec head_unit(const DecoderConfig& config);

struct DecoderLayer {
  DecoderLayer(const UnitWeights& weights);

  Tensor input_norm, attention_norm;  ///< f32 [hidden]; the second stands before the MLP
  PackedMatrix qkv;                   ///< [(heads + 2 kv_heads) * head_dim, hidden]
  PackedMatrix out;                   ///< [hidden, heads * head_dim]
  PackedMatrix gate_up;               ///< [2 * intermediate, hidden]
  PackedMatrix down;                  ///< [hidden, intermediate]
};

struct DecoderHead {
  DecoderHead(const UnitWeights& weights);

  Tensor norm;        ///< f32 [hidden]
  PackedMatrix head;  ///< [vocab, hidden]
};

/// 1 / theta^(2 i / head_dim), i = 0 .. head_dim / 2 - 1, in f32 as the reference computes it.
std::vector<float> rope_inverse_frequencies(const DecoderConfig& config);

/// One layer over the rows of a micro-batch, in place.
///   hidden    f32 [rows, hidden]
///   rope      f32 [head_dim / 2], rope_inverse_frequencies on this device
///   pages     this layer's KV pages; the rows' keys and values are written first, then read
void decoder_layer(Stream& stream, Arena& arena, const DecoderConfig& config,
                   const DecoderLayer& layer, const Tensor& rope, const BatchRows& rows,
                   KvPages& pages, Tensor& hidden);

/// logits f32 [rows, vocab] of hidden f32 [rows, hidden].
void decoder_head(Stream& stream, Arena& arena, const DecoderConfig& config,
                  const DecoderHead& head, const Tensor& hidden, Tensor& logits);

}  // namespace tessera
