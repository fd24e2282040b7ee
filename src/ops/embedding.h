#pragma once

#include "device/stream.h"
#include "tensor/tensor.h"

namespace tessera {

/// out[r, :] = table[ids[r], :]
///
///   ids     i32 [rows]
///   table   f32 or bf16 [vocab, hidden]
///   out     f32 [rows, hidden], rows may be strided
///
/// All on the stream's device. Throws Error when a shape, dtype or device is not as above. An id
/// outside the table breaks the stream: Stream::synchronize() throws an Error that names it.
void embedding(Stream& stream, const Tensor& ids, const Tensor& table, Tensor& out);

}  // namespace tessera
