#pragma once

// The one header that a kernel file includes. The same text of a .cu is compiled by nvcc for the
// GPU and, in the emulated build, by the host compiler, where every CUDA thread is a fiber
// (cuda_emulator/kernel_words.h has the same names). Beside plain CUDA a kernel uses only what
// stands here: inline assembly nowhere else, no <<<>>>, no __shared__ of its own.

#ifdef TESSERA_CUDA_EMULATED
#include "cuda_emulator/kernel_words.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

namespace tessera {

/// Queues a kernel; the arguments are converted to the kernel's own parameter types. What
/// cudaLaunchKernelEx says comes back, for cuda_check.
template <typename... Parameters, typename... Arguments>
cudaError_t launch_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                          cudaStream_t stream, Arguments&&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, Parameters(std::forward<Arguments>(arguments))...);
}

/// Lets a kernel be launched with up to `bytes` of dynamic shared memory: needed beyond 48 KiB, on
/// each device. A block's limit is 99 KiB on the smallest of our GPUs.
template <typename... Parameters>
cudaError_t allow_dynamic_shared(void (*kernel)(Parameters...), size_t bytes) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                              cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
}

/// The block's one T in shared memory, contents undefined; T is a local type of the kernel, and no
/// two of one kernel are of the same type.
template <typename T>
__device__ T& block_shared() {
  __shared__ T shared;
  return shared;
}

/// The shared memory that the launch asked for, 16-byte aligned.
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}

/// d += a b over one warp, bf16 products summed in f32: a 16 x 16, b 16 x 8, d 16 x 8. Lane l
/// holds, with g = l / 4 and t = l % 4, two neighbours along k to a word:
///
///   a[0] row g, k 2t    a[1] row g + 8, k 2t    a[2] row g, k 2t + 8    a[3] row g + 8, k 2t + 8
///   b[0] k 2t, column g           b[1] k 2t + 8, column g
///   d[0], d[1] row g, columns 2t, 2t + 1        d[2], d[3] row g + 8
///
/// Source: PTX ISA 9.0, 9.7.14.5.8 (mma.m16n8k16).
__device__ inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// d += a b over one warp, signed bytes summed in 32 bits: a 16 x 32, b 32 x 8, d 16 x 8. Lane l
/// holds four neighbours along k to a word:
///
///   a[0] row g, k 4t    a[1] row g + 8, k 4t    a[2] row g, k 4t + 16    a[3] row g + 8, k 4t + 16
///   b[0] k 4t, column g           b[1] k 4t + 16, column g
///   d as of mma_bf16
///
/// Source: PTX ISA 9.0, 9.7.14.5.10 (mma.m16n8k32).
__device__ inline void mma_int8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 matrices of 16-bit numbers from shared memory: lane l gives the 16-byte aligned start
/// of row l % 8 of matrix l / 8 and gets, in word j, columns 2t, 2t + 1 of row g of matrix j.
__device__ inline void ldmatrix_x4(uint32_t (&words)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

/// 16 bytes from global into shared memory, both 16-byte aligned, there only after the wait that
/// covers their commit.
__device__ inline void cp_async_16(void* shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
               "l"(global)
               : "memory");
}
__device__ inline void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Until all but the last `kGroups` committed groups of this thread have landed.
template <int kGroups>
__device__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

}  // namespace tessera

#endif
