#include "runtime/plan_problem.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "base/units.h"
#include "model/vision.h"
#include "ops/kv_cache.h"
#include "plan/loss_model.h"
#include "runtime/check_request.h"
#include "runtime/stage_memory.h"

namespace tessera {
namespace {

// fp8, a byte a weight, has no kernel and so no layout on this kind of device.
uint64_t unit_bytes(const UnitSpec& unit, Precision precision) {
  if (precision != Precision::kFp8) return layout_of(unit, precision).bytes;
  const int64_t others = unit.parameters() - unit.matmul_parameters();
  return static_cast<uint64_t>(unit.matmul_parameters() + 4 * others);
}

using ValuesByKind = std::array<double, kValueKindCount>;  // of one token, in the kinds' order

ValuesByKind layer_values(const DecoderConfig& decoder) {
  const int64_t rotated = (decoder.heads + decoder.kv_heads) * decoder.head_dim;
  const int64_t cached = 2 * decoder.kv_heads * decoder.head_dim;
  return {static_cast<double>(2 * 2 * decoder.hidden), static_cast<double>(2 * rotated),
          static_cast<double>(2 * cached), static_cast<double>(3 * decoder.intermediate)};
}

// The same of a tower: norms, and GELU.
ValuesByKind vision_values(const VisionConfig& vision) {
  return {static_cast<double>(2 * 2 * vision.hidden * vision.blocks_used), 0, 0,
          static_cast<double>(2 * vision.intermediate * vision.blocks_used)};
}

std::vector<UnitMatmuls> matmuls_of(const UnitSpec& unit) {
  std::vector<UnitMatmuls> shapes;
  for (const WeightSpec& weight : unit.weights) {
    if (weight.form != WeightForm::kMatrix) continue;
    const auto same = std::ranges::find_if(shapes, [&](const UnitMatmuls& shape) {
      return shape.in == weight.cols && shape.out == weight.rows;
    });
    if (same != shapes.end()) {
      ++same->count;
    } else {
      shapes.push_back({.in = weight.cols, .out = weight.rows});
    }
  }
  return shapes;
}

PlanUnit plan_unit(const UnitSpec& unit, Precision own, std::span<const Precision> formats,
                   int64_t layers) {
  PlanUnit out{.name = unit.name, .matmuls = matmuls_of(unit)};
  for (const Precision format : formats) {
    const uint64_t bytes = unit_bytes(unit, format);
    const bool looked_up = unit.kind == UnitKind::kEmbedding;
    out.costs[format] = {.weight_bytes = bytes,
                         .read_bytes = looked_up ? 0 : bytes,
                         .flops_per_token = 2 * static_cast<double>(unit.matmul_parameters()),
                         .loss = unit.kind == UnitKind::kLayer
                                     ? default_layer_loss(format, own, static_cast<int>(unit.layer),
                                                          static_cast<int>(layers))
                                     : default_loss(format, own)};
  }
  return out;
}

}  // namespace

Precision own_precision(const ModelSpec& model) {
  return model.config.decoder.dtype == DType::kF32 ? Precision::kF32 : Precision::kBF16;
}

KvFormat kv_format_beside(Precision wide) {
  return wide == Precision::kF32 ? KvFormat::kF32 : KvFormat::kBF16;
}

PipelineLimits make_limits(const Workload& workload, int devices, Precision wide, KvFormat kv) {
  const int64_t blocks = divide_up(workload.context, kBlockTokens);
  const int64_t chunk = std::min(workload.chunk_tokens, workload.context);
  const int64_t running = std::max(workload.sequences, workload.running);
  const int64_t scored = std::min(workload.scored_rows, chunk);
  return {.rows = std::max(chunk, running),
          .sequences = running,
          .wanted = std::max(running, scored),
          .logit_rows = std::max(workload.sequences, scored),
          .max_blocks = blocks,
          .kv_blocks = blocks * workload.sequences,
          .slots = devices + 1,  // one for each stage, and one on its way
          .wide = wide,
          .kv = kv,
          .edited_rows = workload.edited_rows,
          .row_edits = workload.context + kMostLogitBiases,  // each token so far, and the biases
          .masked_rows = workload.masked_rows,
          .logprob_rows = workload.logprob_rows};
}

PlanProblem make_problem(const ModelSpec& model, const PipelineLimits& limits,
                         std::span<const Precision> formats, std::vector<PlanDevice> devices,
                         PlanLinks links, const Workload& workload) {
  const DecoderConfig& decoder = model.config.decoder;
  const Precision own = own_precision(model);
  const auto formats_down_to = [&](Precision lowest) {
    std::vector<Precision> kept;
    std::ranges::copy_if(formats, std::back_inserter(kept),
                         [&](Precision format) { return format <= lowest; });
    return kept;
  };
  // Towers and embeddings stay at 16 bits, the head at 8 or more.
  const std::vector<Precision> wide = formats_down_to(Precision::kBF16);
  const std::vector<Precision> head_formats = formats_down_to(Precision::kInt8);

  PlanProblem problem;
  const int64_t ops = layer_ops(model);
  for (const UnitSpec& layer : model.layers) {
    PlanUnit unit = plan_unit(layer, own, formats, decoder.layers);
    unit.kv_bytes_per_token = static_cast<uint64_t>(model.kv_bytes_per_token(limits.kv));
    // A query with a key, and the score with its value: a multiply and an add each.
    unit.attention_flops_per_pair = 4 * static_cast<double>(decoder.heads * decoder.head_dim);
    unit.attention_values = static_cast<double>(decoder.heads * decoder.head_dim);
    unit.attention_heads = decoder.heads;
    unit.values_per_token = layer_values(decoder);
    unit.ops = ops;
    problem.layers.push_back(std::move(unit));
  }
  problem.head = plan_unit(model.head, own, head_formats, decoder.layers);
  problem.head.ops = head_ops(model);
  problem.embedding = plan_unit(model.embedding, own, wide, decoder.layers);

  if (model.vision) {
    const VisionConfig& vision = *model.config.vision;
    problem.vision = plan_unit(*model.vision, own, wide, decoder.layers);
    problem.vision->causal = false;
    problem.vision->attention_flops_per_pair =
        4 * static_cast<double>(vision.hidden * vision.blocks_used);
    problem.vision->attention_values = static_cast<double>(vision.hidden * vision.blocks_used);
    problem.vision->attention_heads = vision.heads * vision.blocks_used;
    problem.vision->values_per_token = vision_values(vision);
    problem.vision->ops = vision_ops(model);
  }

  uint64_t granule = 1;
  for (const PlanDevice& device : devices) granule = std::max(granule, device.granule_bytes);
  const uint64_t stage = round_up(stage_arena_bytes(model, limits, false), granule);
  const uint64_t last_stage = round_up(stage_arena_bytes(model, limits, true), granule);
  const uint64_t embedding = round_up(embedding_arena_bytes(model, limits), granule);
  const uint64_t vision =
      model.vision ? round_up(vision_arena_bytes(model, limits.wide), granule) : 0;
  for (const bool layers : {false, true})
    for (const bool head : {false, true})
      for (const bool with_vision : {false, true})
        for (const bool with_embedding : {false, true})
          problem.arena_bytes[Holds{
              .layers = layers, .head = head, .vision = with_vision, .embedding = with_embedding}
                                  .index()] = (layers ? head ? last_stage : stage : 0) +
                                              (with_vision ? vision : 0) +
                                              (with_embedding ? embedding : 0);

  problem.devices = std::move(devices);
  problem.links = std::move(links);
  problem.workload = workload;
  problem.hidden_bytes_per_token = static_cast<uint64_t>(decoder.hidden * dtype_bytes(DType::kF32));
  problem.own = own;
  problem.kv = limits.kv;
  problem.precisions = {own};
  return problem;
}

}  // namespace tessera
