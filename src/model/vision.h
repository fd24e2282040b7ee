#pragma once

#include "checkpoint/model_config.h"
#include "model/unit.h"
#include "tensor/arena.h"

namespace tessera {

/// CLIP's vision transformer (Radford et al. 2021, arXiv:2103.00020) followed by LLaVA's projector
/// in Yi-VL's form. A picture of S x S pixels becomes n = (S / patch)^2 rows for the decoder:
///
///   x = pre_norm([class; W_patch patches] + positions)          [n + 1, width]
///   x += W_o attention(layer_norm1(x));  x += W_2 gelu(W_1 layer_norm2(x))   blocks_used times
///   rows = projector(x without the class row)                    [n, hidden]
///
/// The projector alternates Linear, LayerNorm (where it has them) and GELU. The last tower block
/// and the post norm feed nothing in this architecture and are not loaded.
UnitSpec vision_unit(const VisionConfig& vision, const ProjectorConfig& projector);

struct VisionBlock {
  Tensor norm1, norm1_bias, norm2, norm2_bias;  ///< f32 [width]
  PackedMatrix qkv, out, fc1, fc2;
  Tensor qkv_bias, out_bias, fc1_bias, fc2_bias;  ///< f32
};

struct ProjectorStep {
  PackedMatrix linear;
  Tensor bias;             ///< f32 [out]
  Tensor norm, norm_bias;  ///< f32 [out]; without data where the projector has no norms
};

struct VisionWeights {
  VisionWeights(const UnitWeights& weights, const VisionConfig& vision,
                const ProjectorConfig& projector);

  Tensor class_embedding;  ///< f32 [width]
  Tensor positions;        ///< f32 [n + 1, width]
  PackedMatrix patch;      ///< [width, channels * patch * patch]
  Tensor pre_norm, pre_norm_bias;
  std::vector<VisionBlock> blocks;
  std::vector<ProjectorStep> projector;
};

/// What the tower puts out before the projector; for tests at the seam.
///   pixels    f32 [channels, size, size], normalised
///   features  f32 [n, width] (with the class row first where the config keeps it)
void vision_tower(Stream& stream, Arena& arena, const VisionConfig& config,
                  const VisionWeights& weights, const Tensor& pixels, Tensor& features);

/// rows f32 [n, hidden] of features f32 [n, width].
void project(Stream& stream, Arena& arena, const ProjectorConfig& config,
             const VisionWeights& weights, const Tensor& features, Tensor& rows);

}  // namespace tessera
