#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// Rotary position embedding, in place, in the half-split ("NeoX") form of the Hugging Face
/// checkpoints: for each head h, with d = head_dim, i < d/2, a = positions[r] * inv_freq[i],
///
///   x[r, h, i]         =  x[r, h, i] * cos(a)  -  x[r, h, i + d/2] * sin(a)
///   x[r, h, i + d/2]   =  x[r, h, i + d/2] * cos(a)  +  x[r, h, i] * sin(a)
///
///   x           f32 [rows, heads * head_dim], rows may be strided; head_dim even. Queries and keys
///               that lie side by side turn in one call: heads = query heads + key heads
///   positions   i32 [rows], below 2^24
///   inv_freq    f32 [head_dim / 2]: theta^(-2i / head_dim), and whatever scaling the model has
///
/// All on the stream's device. The angle is rounded to f32, as Hugging Face does it; its sine and
/// cosine are those of that f32, correct to the last bit or so for any angle below 2^24.
/// Throws Error when a shape, dtype or device is not as above.
/// Source: Su et al. 2021, arXiv:2104.09864, equation 34.
void rope(Stream& stream, Tensor& x, const Tensor& positions, int64_t heads, int64_t head_dim,
          const Tensor& inv_freq);

}  // namespace tessera
