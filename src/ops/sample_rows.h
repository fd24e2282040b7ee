#pragma once

#include "device/stream.h"
#include "ops/sampling.h"
#include "tensor/tensor.h"

namespace tessera {

/// tokens[r] = draw_token(logits[r, :], draws[r]): where the logits are, so that only tokens leave
/// the device; the same tokens on every kind of device.
///
///   logits   f32 [rows, vocab], rows may be strided
///   draws    u8 [rows, sizeof(TokenDraw)], dense: TokenDraw, 8-byte aligned
///   tokens   i32 [rows]
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above. A row
/// that has a NaN, or no finite number as its largest, breaks the stream.
void sample_rows(Stream& stream, const Tensor& logits, const Tensor& draws, Tensor& tokens);

}  // namespace tessera
