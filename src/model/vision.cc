#include "model/vision.h"

#include <fmt/format.h>

#include <cmath>

#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/patches.h"

namespace tessera {
namespace {

constexpr float kProjectorEps = 1e-5F;  // LayerNorm's default in the reference; not in any config

// A norm or a linear's bias: "<name>" and "<name>_bias" from "<tensor>.weight" and ".bias".
void add_norm(UnitSpec& unit, const std::string& name, const std::string& tensor, int64_t size,
              WeightOrigin origin) {
  unit.weights.push_back(vector_weight(name, tensor + ".weight", size, origin));
  unit.weights.push_back(vector_weight(name + "_bias", tensor + ".bias", size, origin));
}

void add_linear(UnitSpec& unit, const std::string& name, const std::string& tensor, int64_t out,
                int64_t in, WeightOrigin origin) {
  unit.weights.push_back(matrix_weight(name, tensor + ".weight", out, in, origin));
  unit.weights.push_back(vector_weight(name + "_bias", tensor + ".bias", out, origin));
}

void add_block(UnitSpec& unit, const VisionConfig& config, int64_t block) {
  const std::string name = fmt::format("block {} ", block);
  const std::string tensor = fmt::format("vision_model.encoder.layers.{}.", block);
  const int64_t width = config.hidden;
  const auto part = [&](const char* which, const char* kind) {
    return StackedPart{tensor + "self_attn." + which + "_proj." + kind, width};
  };
  add_norm(unit, name + "norm1", tensor + "layer_norm1", width, WeightOrigin::kVision);
  unit.weights.push_back(
      stacked_matrix(name + "qkv", {part("q", "weight"), part("k", "weight"), part("v", "weight")},
                     width, WeightOrigin::kVision));
  unit.weights.push_back(stacked_vector(name + "qkv_bias",
                                        {part("q", "bias"), part("k", "bias"), part("v", "bias")},
                                        WeightOrigin::kVision));
  add_linear(unit, name + "out", tensor + "self_attn.out_proj", width, width,
             WeightOrigin::kVision);
  add_norm(unit, name + "norm2", tensor + "layer_norm2", width, WeightOrigin::kVision);
  add_linear(unit, name + "fc1", tensor + "mlp.fc1", config.intermediate, width,
             WeightOrigin::kVision);
  add_linear(unit, name + "fc2", tensor + "mlp.fc2", width, config.intermediate,
             WeightOrigin::kVision);
}

// In the reference the projector is one list of modules: [Linear, (LayerNorm), GELU] repeated,
// without the last GELU; the tensors are numbered by their place in it.
void add_projector_step(UnitSpec& unit, const ProjectorConfig& config, int64_t step) {
  const int64_t place = step * (config.layer_norms ? 3 : 2);
  const int64_t in = step == 0 ? config.in : config.out;
  // A projector of a single Linear is that module itself, without a number.
  const std::string prefix = "model.mm_projector";
  const auto tensor = [&](int64_t at) {
    return config.numbered ? fmt::format("{}.{}", prefix, at) : prefix;
  };
  add_linear(unit, fmt::format("projector {}", step), tensor(place), config.out, in,
             WeightOrigin::kMain);
  if (config.layer_norms)
    add_norm(unit, fmt::format("projector {} norm", step), tensor(place + 1), config.out,
             WeightOrigin::kMain);
}

GeluKind gelu_kind(VisionConfig::Activation activation) {
  switch (activation) {
    case VisionConfig::quick_gelu:
      return GeluKind::kQuick;
    case VisionConfig::gelu_tanh:
      return GeluKind::kTanh;
    case VisionConfig::gelu_erf:
      break;
  }
  return GeluKind::kErf;
}

void vision_block(Stream& stream, Arena& arena, const VisionConfig& config,
                  const VisionBlock& block, Tensor& x) {
  const int64_t n = x.rows();
  const int64_t width = config.hidden;
  const auto eps = static_cast<float>(config.layer_norm_eps);
  const Arena::Scope block_scope(arena);
  Tensor normed = arena.take(DType::kF32, {n, width});

  {
    const Arena::Scope scope(arena);
    Tensor qkv = arena.take(DType::kF32, {n, 3 * width});
    Tensor attended = arena.take(DType::kF32, {n, width});
    layer_norm(stream, x, block.norm1, block.norm1_bias, eps, normed);
    matmul(stream, arena, normed, block.qkv, {.bias = &block.qkv_bias}, qkv);
    const double head_dim = static_cast<double>(width) / static_cast<double>(config.heads);
    full_attention(stream, arena, qkv.slice_cols(0, width), qkv.slice_cols(width, width),
                   qkv.slice_cols(2 * width, width), table_dtype(block.qkv.precision), config.heads,
                   static_cast<float>(1 / std::sqrt(head_dim)), attended);
    matmul(stream, arena, attended, block.out, {.bias = &block.out_bias, .add_to_out = true}, x);
  }
  {
    const Arena::Scope scope(arena);
    Tensor inner = arena.take(DType::kF32, {n, config.intermediate});
    layer_norm(stream, x, block.norm2, block.norm2_bias, eps, normed);
    matmul(stream, arena, normed, block.fc1,
           {.bias = &block.fc1_bias, .gelu = gelu_kind(config.activation)}, inner);
    matmul(stream, arena, inner, block.fc2, {.bias = &block.fc2_bias, .add_to_out = true}, x);
  }
}

}  // namespace

UnitSpec vision_unit(const VisionConfig& vision, const ProjectorConfig& projector) {
  UnitSpec unit{.name = "vision", .kind = UnitKind::kVision};
  const int64_t width = vision.hidden;
  const int64_t side = vision.image_size / vision.patch_size;
  const std::string embeddings = "vision_model.embeddings.";

  unit.weights.push_back(
      vector_weight("class", embeddings + "class_embedding", width, WeightOrigin::kVision));
  const int64_t positions = side * side + 1;
  unit.weights.push_back({"positions",
                          WeightForm::kVector,
                          positions,
                          width,
                          {{.tensor = embeddings + "position_embedding.weight",
                            .shape = {positions, width},
                            .rows = positions,
                            .origin = WeightOrigin::kVision}}});
  // The convolution's stride is its width: a matmul over flattened patches.
  const int64_t patch_values = vision.channels * vision.patch_size * vision.patch_size;
  unit.weights.push_back({"patch",
                          WeightForm::kMatrix,
                          width,
                          patch_values,
                          {{.tensor = embeddings + "patch_embedding.weight",
                            .shape = {width, vision.channels, vision.patch_size, vision.patch_size},
                            .rows = width,
                            .origin = WeightOrigin::kVision}}});
  add_norm(unit, "pre_norm", "vision_model.pre_layrnorm", width, WeightOrigin::kVision);
  for (int64_t block = 0; block < vision.blocks_used; ++block) add_block(unit, vision, block);
  for (int64_t step = 0; step < projector.depth; ++step) add_projector_step(unit, projector, step);
  return unit;
}

VisionWeights::VisionWeights(const UnitWeights& weights, const VisionConfig& vision,
                             const ProjectorConfig& projector_config)
    : class_embedding(weights.vector("class")),
      positions(weights.vector("positions")),
      patch(weights.matrix("patch")),
      pre_norm(weights.vector("pre_norm")),
      pre_norm_bias(weights.vector("pre_norm_bias")) {
  for (int64_t i = 0; i < vision.blocks_used; ++i) {
    const std::string name = fmt::format("block {} ", i);
    blocks.push_back({.norm1 = weights.vector(name + "norm1"),
                      .norm1_bias = weights.vector(name + "norm1_bias"),
                      .norm2 = weights.vector(name + "norm2"),
                      .norm2_bias = weights.vector(name + "norm2_bias"),
                      .qkv = weights.matrix(name + "qkv"),
                      .out = weights.matrix(name + "out"),
                      .fc1 = weights.matrix(name + "fc1"),
                      .fc2 = weights.matrix(name + "fc2"),
                      .qkv_bias = weights.vector(name + "qkv_bias"),
                      .out_bias = weights.vector(name + "out_bias"),
                      .fc1_bias = weights.vector(name + "fc1_bias"),
                      .fc2_bias = weights.vector(name + "fc2_bias")});
  }
  for (int64_t step = 0; step < projector_config.depth; ++step) {
    const std::string name = fmt::format("projector {}", step);
    ProjectorStep& part = projector.emplace_back();
    part.linear = weights.matrix(name);
    part.bias = weights.vector(name + "_bias");
    if (!projector_config.layer_norms) continue;
    part.norm = weights.vector(name + " norm");
    part.norm_bias = weights.vector(name + " norm_bias");
  }
}

void vision_tower(Stream& stream, Arena& arena, const VisionConfig& config,
                  const VisionWeights& weights, const Tensor& pixels, Tensor& features) {
  const int64_t n = weights.positions.rows();  // the class row and the patches
  const Arena::Scope scope(arena);
  Tensor x = arena.take(DType::kF32, {n, config.hidden});
  {
    const Arena::Scope patch_scope(arena);
    Tensor patches = arena.take(DType::kF32, {n - 1, weights.patch.in});
    patchify(stream, pixels, config.patch_size, patches);
    Tensor patch_rows = x.slice_rows(1, n - 1);
    matmul(stream, arena, patches, weights.patch, {}, patch_rows);
  }
  stream.copy(x.data, x.device, weights.class_embedding.data, x.device,
              weights.class_embedding.bytes());
  add(stream, x, weights.positions, x);
  layer_norm(stream, x, weights.pre_norm, weights.pre_norm_bias,
             static_cast<float>(config.layer_norm_eps), x);
  for (const VisionBlock& block : weights.blocks) vision_block(stream, arena, config, block, x);
  const Tensor kept = config.keep_class_token ? x : x.slice_rows(1, n - 1);
  stream.copy(features.data, features.device, kept.data, kept.device, kept.bytes());
}

void project(Stream& stream, Arena& arena, const ProjectorConfig& config,
             const VisionWeights& weights, const Tensor& features, Tensor& rows) {
  const Arena::Scope scope(arena);
  Tensor x = features;
  for (int64_t step = 0; step < config.depth; ++step) {
    const ProjectorStep& part = weights.projector[static_cast<size_t>(step)];
    const bool last = step + 1 == config.depth;
    Tensor y = last ? rows : arena.take(DType::kF32, {x.rows(), part.linear.out});
    MatmulOptions options = {.bias = &part.bias};
    if (!last && !config.layer_norms) options.gelu = GeluKind::kErf;
    matmul(stream, arena, x, part.linear, options, y);
    if (config.layer_norms) layer_norm(stream, y, part.norm, part.norm_bias, kProjectorEps, y);
    if (!last && config.layer_norms) gelu(stream, y, GeluKind::kErf);
    x = y;
  }
}

}  // namespace tessera
