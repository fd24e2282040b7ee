#pragma once

#include <cstdint>
#include <vector>

#include "model/decoder.h"
#include "runtime/placement.h"
#include "tensor/arena.h"

namespace tessera {

/// Buffers of one micro-batch on one stage: its own while it is in flight, so no stage ever waits
/// for another to free one.
struct StageSlot {
  Tensor hidden;   ///< f32 [rows, hidden]
  Tensor indices;  ///< i32 [2 * rows + sequences * max_blocks], as MicroBatch::indices
};

/// What a stage keeps in its arena beside the scratch of a forward pass.
struct StageBuffers {
  Tensor rope;  ///< f32 [head_dim / 2]
  std::vector<StageSlot> slots;
};
StageBuffers take_stage_buffers(Arena& arena, const ModelSpec& model, const PipelineLimits& limits);

/// The parts of a slot's indices for a micro-batch of so many rows and sequences; the rest of
/// BatchRows is the batch's own.
BatchRows index_views(const Tensor& indices, int64_t rows, int64_t sequences, int64_t max_blocks);

/// Buffers of the token embedding, per slot.
struct EmbeddingSlot {
  Tensor ids;   ///< i32 [rows]
  Tensor rows;  ///< f32 [rows, hidden]
};
std::vector<EmbeddingSlot> take_embedding_slots(Arena& arena, const ModelSpec& model,
                                                const PipelineLimits& limits);

/// Buffers of the vision tower: one picture at a time.
struct VisionBuffers {
  Tensor pixels;    ///< f32 [channels, size, size]
  Tensor features;  ///< f32 [n, width]
  Tensor rows;      ///< f32 [n, hidden]
};
VisionBuffers take_vision_buffers(Arena& arena, const ModelSpec& model);

/// Bytes of each arena, found by a dry run of the very code that will use it: what the planner
/// promises is what the pipeline takes. Stages take what limits.wide needs: a matmul's scratch is
/// no larger for a lower precision.
uint64_t stage_arena_bytes(const ModelSpec& model, const PipelineLimits& limits, bool with_head);
uint64_t embedding_arena_bytes(const ModelSpec& model, const PipelineLimits& limits);
uint64_t vision_arena_bytes(const ModelSpec& model, Precision precision);

/// Ops that one pass through a layer, through the head and through the tower queues, found in the
/// same way.
int64_t layer_ops(const ModelSpec& model);
int64_t head_ops(const ModelSpec& model);
int64_t vision_ops(const ModelSpec& model);

}  // namespace tessera
