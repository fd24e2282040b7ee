#pragma once

#include "device/stream.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace tessera {

struct MatmulOptions {
  const Tensor* bias = nullptr;  ///< f32 [out]; null: none
  bool add_to_out = false;       ///< add to what is in `out` (a residual) instead of replacing it
};

/// out[r, o] = sum over i of x[r, i] * w[o, i]  (+ bias[o])  (+ out[r, o])
///
///   x     f32 [rows, in], rows may be strided
///   w     f32 or bf16 [out, in] in panels
///   out   f32 [rows, out], rows may be strided; not x
///
/// All on the stream's device. On CPUs each element is one chain of fused multiply-adds in f32 over
/// i = 0, 1, ..., in - 1 that starts at 0; then the bias, then the residual is added. So a row's
/// bits depend on that row and w alone: not on the other rows, the threads, or the instruction set.
/// Throws Error when a shape, dtype or device is not as above.
void matmul(Stream& stream, const Tensor& x, const PackedMatrix& w, const MatmulOptions& options,
            Tensor& out);

}  // namespace tessera
