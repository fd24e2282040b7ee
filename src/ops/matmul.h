#pragma once

#include <optional>

#include "device/stream.h"
#include "ops/activation.h"
#include "ops/packed_matrix.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace tessera {

struct MatmulOptions {
  const Tensor* bias = nullptr;  ///< f32 [out]; null: none
  bool add_to_out = false;       ///< add to what is in `out` (a residual) instead of replacing it

  /// What becomes of the values before they are written; with either, nothing is added to out.
  std::optional<GeluKind> gelu;
  /// w's rows are gates, then as many ups: silu(gate) * up (activation.h) is written to the gates'
  /// columns of out, those of the ups are scratch. No bias.
  bool swiglu = false;
};

/// out[r, o] = sum over i of x[r, i] * w[o, i]  (+ bias[o])  (+ out[r, o])
///
///   arena  room for x in the type that w's precision is multiplied in: f32, bf16, or for integers
///          s8 with one scale a group of inputs
///   x      f32 [rows, in], rows may be strided
///   w      [out, in] in panels, of any precision but fp8
///   out    f32 [rows, out], rows may be strided; not x
///
/// or, of these sums, an activation: the same bits as when its own op follows.
/// All on the stream's device. Sums in f32, in an order that depends on w's precision alone, and
/// for bf16 on whether there is AMX (matmul_tile.h has it): a row's bits depend on that row and w,
/// not on the other rows or the threads. Throws Error when a shape, dtype or device is not as
/// above, when options exclude each other, and when the arena is full.
void matmul(Stream& stream, Arena& arena, const Tensor& x, const PackedMatrix& w,
            const MatmulOptions& options, Tensor& out);

}  // namespace tessera
