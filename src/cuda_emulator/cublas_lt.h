#pragma once

#include "base/cublas_lt_api.h"

namespace tessera {

/// A stand-in for cuBLASLt on emulated GPUs, for the one thing that is asked of it:
///
///   D = alpha A^T B (+ bias) + beta C     A [in, out] and B [in, rows] of bf16, the rest of f32
///
/// summed in double and rounded once, as an op of the stream, in graphs, too. What the library, or
/// a kernel of it, would refuse is refused with a reason in emulator_report(): strides, types and
/// alignments, memory that is not the GPU's, a workspace that is too small. Calls are counted, and
/// failures injected, by the library's names ("cublasLtMatmul"): out of memory and not supported
/// stay what they are, all else is a failed execution.
const CublasLt& emulated_cublas_lt();

}  // namespace tessera
