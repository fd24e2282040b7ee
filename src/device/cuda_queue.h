#pragma once

#include <cstdint>

struct CUstream_st;  // cudaStream_t is a pointer to it; host code needs no more of CUDA's headers

namespace tessera {

/// What a kernel may find wrong with the numbers that it is given.
enum class FaultKind : int32_t { kNone, kTokenId, kPosition, kSequence, kPage, kLogits };

/// The first such thing on a stream, written by a kernel into host memory that the GPU sees. The
/// kernel reads and writes nothing with the bad number, and goes on.
struct KernelFault {
  int32_t claimed;  ///< 1 once a thread has taken it upon itself to write the rest
  FaultKind kind;   ///< written last
  /// Expected: 0 <= found < limit. Of kLogits the token, and the bits of its logit, an f32: NaN, or
  /// infinite as the largest.
  int64_t found, limit;
};

class CudaGemms;

/// Where the kernels of an op go: what launch() (ops/launch.h) hands to an op's CUDA body.
struct CudaQueue {
  CUstream_st* stream = nullptr;
  KernelFault* fault = nullptr;  ///< device address
  void* workspace = nullptr;     ///< device memory that an op may use while its kernels run
  uint64_t workspace_bytes = 0;
  int processors = 0;          ///< streaming multiprocessors of the card
  int capability = 0;          ///< 86 for compute capability 8.6
  CudaGemms* gemms = nullptr;  ///< the device's matmuls by cuBLASLt; null: own kernels alone
};

}  // namespace tessera
