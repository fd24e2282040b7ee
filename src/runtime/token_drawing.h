#pragma once

#include <span>

#include "runtime/draw_memory.h"
#include "tensor/arena.h"

namespace tessera {

/// What drawing tokens takes on their device.
struct DrawBuffers {
  DrawInput input;
  DrawOutput output;
  Tensor kept;  ///< f32 [logprobs, vocab]: rows that are edited, as they were
};
DrawBuffers take_draw_buffers(Arena& arena, const DrawCounts& counts, int64_t vocab);

/// Queues the copies of the `picked` rows of `from` into `to`, one behind the other: rows that
/// stand together go together. Both dense, on the stream's device.
void copy_picked_rows(Stream& stream, const Tensor& from, std::span<const int64_t> picked,
                      const Tensor& to);

/// Queues the drawing of the wanted rows' tokens from their logits, which are edited in place. Only
/// what decides the tokens goes to the device, and only tokens and log probabilities come from it,
/// in one copy each; what no row asks for is not queued.
///
///   packed   as pack_draws leaves it
///   drawn    draw_output_bytes, for unpack_draws
///   logits   f32 [wanted, vocab]
///
/// Host memory stays until the stream is past it.
void draw_tokens(Stream& stream, Arena& arena, std::span<const WantedRow> wanted,
                 const void* packed, void* drawn, Tensor& logits);

}  // namespace tessera
