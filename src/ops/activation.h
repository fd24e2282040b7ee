#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// Of a value that comes out, as devices' clocks count them.
inline constexpr double kSwigluFlops = 16, kGeluFlops = 32;

/// out[r, c] = silu(gate[r, c]) * up[r, c]     with silu(g) = g / (1 + exp(-g))
///
///   gate_up   f32 [rows, 2 * ffn]: gate in columns [0, ffn), up in [ffn, 2 * ffn); rows may be
///             strided
///   out       f32 [rows, ffn], rows may be strided; may be the gate half of gate_up
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above.
/// Source: Shazeer 2020, arXiv:2002.05202, section 2.
void swiglu(Stream& stream, const Tensor& gate_up, Tensor& out);

enum class GeluKind : uint8_t {
  kErf,    ///< x / 2 * (1 + erf(x / sqrt(2))): "gelu"
  kQuick,  ///< x / (1 + exp(-1.702 x)): "quick_gelu", CLIP of OpenAI
  kTanh,   ///< x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))): "gelu_pytorch_tanh"
};

/// x[r, c] = gelu(x[r, c]), in place.
///
///   x   f32 [rows, cols], rows may be strided
///
/// On the stream's device. Throws Error when a shape, dtype or device is not as above.
/// Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
void gelu(Stream& stream, Tensor& x, GeluKind kind);

}  // namespace tessera
