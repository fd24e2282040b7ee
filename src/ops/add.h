#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// out[r, c] = x[r, c] + y[r, c]
///
///   x, y, out   f32 [rows, cols], rows may be strided; out may be x or y
///
/// y with one row is added to every row of x (a class token's position, a bias).
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above.
void add(Stream& stream, const Tensor& x, const Tensor& y, Tensor& out);

/// out[r, :] = x[r, :]
///
///   x     f32 or bf16 [rows, cols], rows may be strided
///   out   f32 [rows, cols], rows may be strided; no overlap with x
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above.
void copy_rows(Stream& stream, const Tensor& x, Tensor& out);

}  // namespace tessera
