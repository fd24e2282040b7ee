#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "ops/logit_edit.h"
#include "ops/sampling.h"

namespace tessera {

/// A row whose next token is wanted, and what decides it. The views are read by Pipeline::submit,
/// not later.
struct WantedRow {
  int64_t row = 0;
  std::optional<TokenDraw> draw = {};  ///< of its next token, on the last stage; none: logits alone

  // Of a row with a draw.
  std::span<const LogitEdit> edits = {};  ///< before the draw, in a row no token twice
  std::span<const uint32_t> mask = {};    ///< [mask_words(vocab)]: tokens allowed; empty: all
  int top_logprobs = -1;  ///< so many of the likeliest beside the drawn one; -1: not even that

  bool edited() const { return draw && (!edits.empty() || !mask.empty()); }
  bool wants_logprobs() const { return draw && top_logprobs >= 0; }
};

}  // namespace tessera
