#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// out[r, c] = x[r, c] / sqrt(mean over c of x[r, c]^2 + eps) * weight[c]
///
///   x, out   f32 [rows, cols], rows may be strided; out may be x
///   weight   f32 [cols]
///   eps      added to the mean, before the root: 1e-5 in Llama 2, 1e-6 in Qwen2
///
/// All on the stream's device. Sums in f32: 16 interleaved ones, then a tree.
/// Throws Error when a shape, dtype or device is not as above.
/// Source: Zhang and Sennrich 2019, arXiv:1910.07467, equation 4; their formula has no eps, the
/// Llama code does.
void rms_norm(Stream& stream, const Tensor& x, const Tensor& weight, float eps, Tensor& out);

/// out[r, c] = (x[r, c] - mean_r) / sqrt(var_r + eps) * weight[c] + bias[c]
///
/// with the mean over c and the variance as the mean of (x - mean)^2, in a second pass, so that a
/// large mean costs no digits. Shapes, sums and errors as rms_norm; bias f32 [cols].
/// Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450; eps inside the root as in PyTorch.
void layer_norm(Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias,
                float eps, Tensor& out);

}  // namespace tessera
