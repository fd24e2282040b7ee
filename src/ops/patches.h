#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// Cuts a picture into squares, one a row, so that a convolution with kernel = stride = patch is a
/// matmul:
///
///   out[py * (width / patch) + px, (c * patch + ky) * patch + kx]
///       = pixels[c, py * patch + ky, px * patch + kx]
///
///   pixels   f32 [channels, height, width], dense; height and width multiples of patch
///   out      f32 [height / patch * width / patch, channels * patch * patch], rows may be strided
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above.
void patchify(Stream& stream, const Tensor& pixels, int64_t patch, Tensor& out);

}  // namespace tessera
