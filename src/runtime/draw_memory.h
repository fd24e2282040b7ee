#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/placement.h"
#include "runtime/wanted_row.h"
#include "tensor/tensor.h"
#include "tessera/serving.h"

namespace tessera {

/// How much a micro-batch has of what decides its tokens.
struct DrawCounts {
  int64_t rows = 0;  ///< wanted
  int64_t edited_rows = 0, edits = 0, masks = 0;
  int64_t logprobs = 0;  ///< rows

  bool within(const DrawCounts& most) const;
};
DrawCounts count_draws(std::span<const WantedRow> wanted);
DrawCounts most_draws(const PipelineLimits& limits, int64_t vocab);

/// All of it stands in one piece of memory, so that one copy brings it to the device: parts of
/// bytes, on the host or on a device, as the ops take them. Parts that are not there have no rows.
struct DrawInput {
  Tensor draws;               ///< u8 [rows, sizeof(TokenDraw)]
  Tensor edited_rows, edits;  ///< as LogitEdits
  Tensor asks;                ///< u8 [logprobs, sizeof(LogprobAsk)]
  Tensor masks;               ///< as LogitEdits
};
DrawInput draw_input(void* bytes, Device* device, const DrawCounts& counts, int64_t vocab);
uint64_t draw_input_bytes(const DrawCounts& counts, int64_t vocab);

/// The same of what comes back.
struct DrawOutput {
  Tensor tokens;    ///< i32 [rows]
  Tensor logprobs;  ///< u8 [logprobs, sizeof(LogprobRow)]
};
DrawOutput draw_output(void* bytes, Device* device, const DrawCounts& counts);
uint64_t draw_output_bytes(const DrawCounts& counts);

/// Fills `bytes`, draw_input_bytes(count_draws(wanted)) of host memory. Where rows are edited,
/// those whose log probabilities are wanted are asks of a copy that holds them alone, in order.
void pack_draws(std::span<const WantedRow> wanted, int64_t vocab, void* bytes);

/// What came back: a token for each row, and one entry for each row too where any wants log
/// probabilities; `top` is empty in those of the others.
struct DrawnTokens {
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;
};
DrawnTokens unpack_draws(std::span<const WantedRow> wanted, void* bytes);

}  // namespace tessera
