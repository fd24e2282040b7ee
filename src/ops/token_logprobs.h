#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// Most of the likeliest tokens that are told beside the drawn one.
inline constexpr int kMostTopLogprobs = 20;

/// A drawn token whose log probability is wanted.
struct LogprobAsk {
  int32_t row = 0;    ///< of the logits
  int32_t drawn = 0;  ///< its token is tokens[drawn]
  int32_t top = 0;    ///< of the likeliest too, at most kMostTopLogprobs
};

/// What comes back of one.
struct LogprobRow {
  float logprob;
  float top_logprobs[kMostTopLogprobs];  ///< the first `top`, likeliest first
  int32_t top_tokens[kMostTopLogprobs];  ///< of equals the lower id first; -1: no more tokens
};

/// out[i] = log softmax of logits[asks[i].row, :], at temperature 1: of the drawn token and of the
/// likeliest.
///
///   logits   f32 [rows, vocab], rows may be strided
///   asks     u8 [n, sizeof(LogprobAsk)], dense
///   tokens   i32 [draws]
///   out      u8 [n, sizeof(LogprobRow)], dense
///
/// The sum is of whole numbers (token_weight.h), exact in any order: a row's numbers depend on that
/// row alone. They are within 5e-7 of the formula, beside f32's rounding of the result: exp is good
/// to 2^-22, and what is cut off below 2^-40 of the likeliest comes to at most 2^-17 2^-23 of it.
/// Kinds of devices may differ by the last bit of their log(). All on the stream's device. Throws
/// Error when a shape, dtype or device is not as above. A row without a finite largest number, or
/// with NaN, breaks the stream or is left out: the draw from it has broken the stream.
void token_logprobs(Stream& stream, const Tensor& logits, const Tensor& asks, const Tensor& tokens,
                    Tensor& out);

}  // namespace tessera
