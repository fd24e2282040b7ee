#pragma once

#include "device/stream.h"
#include "ops/logit_edit.h"
#include "tensor/tensor.h"

namespace tessera {

/// A row of logits that something is done to.
struct EditedRow {
  int32_t row = 0;
  int32_t first_edit = 0, edits = 0;
  int32_t mask = -1;  ///< -1: every token is allowed
};

/// Words of a set of tokens: token t is bit t % 32 of word t / 32.
constexpr int64_t mask_words(int64_t vocab) {
  return (vocab + 31) / 32;
}

/// What is done to some rows, before their tokens are drawn.
struct LogitEdits {
  Tensor rows;   ///< u8 [n, sizeof(EditedRow)], dense; no row of logits twice
  Tensor edits;  ///< u8 [edits, sizeof(LogitEdit)], dense; in a row no token twice
  Tensor masks;  ///< i32 [masks, mask_words(vocab)], dense; bits past the vocabulary are not read
};

/// In place: logits[row, token] = edited_logit of it for each of the row's edits; then -inf for
/// each token that the row's mask does not allow. Other rows are neither read nor written; the same
/// bits on every kind of device.
///
///   logits   f32 [rows, vocab], rows may be strided
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above. An edit
/// of a token outside of the vocabulary breaks the stream. A mask that allows nothing leaves a row
/// of -inf, and the draw from it breaks the stream for every row beside it: whoever makes masks
/// looks before (TokenSampler does).
void edit_logits(Stream& stream, const LogitEdits& edits, Tensor& logits);

}  // namespace tessera
