#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;  // cudaStream_t is a pointer to it

// What Tessera uses of cuBLASLt, in own words: neither NVIDIA's headers of it nor the library are
// needed to build. It stands this far down because two modules share it: `cuda` finds the library,
// `cuda_emulator` stands in for it. Source: cublasLt.h, cublas_api.h and library_types.h of CUDA
// 13.0 (CUBLAS_VERSION 130100); tests/cuda_emulator/cublas_lt_test.cc compares where they are.

namespace tessera {

// What the library's handles point to, and only the library knows.
struct CublasLtContext;
struct CublasLtLayout;
struct CublasLtOperation;
struct CublasLtPreference;

/// cublasLtMatmulAlgo_t
struct CublasLtAlgorithm {
  uint64_t data[8];
};

/// cublasLtMatmulHeuristicResult_t
struct CublasLtChoice {
  CublasLtAlgorithm algorithm;
  size_t workspace_bytes;  ///< that it needs
  int32_t status;          ///< the others hold when this is success
  float waves;
  int32_t reserved[4];
};

// cublasStatus_t
inline constexpr int32_t kCublasSuccess = 0, kCublasAllocFailed = 3, kCublasInvalidValue = 7;
inline constexpr int32_t kCublasExecutionFailed = 13, kCublasNotSupported = 15;

inline constexpr int32_t kCublasTransposed = 1;             // cublasOperation_t: CUBLAS_OP_T
inline constexpr int32_t kCublasSumsF32 = 68;               // cublasComputeType_t: 32F
inline constexpr int32_t kCublasF32 = 0, kCublasBF16 = 14;  // cudaDataType_t

// cublasLtMatmulDescAttributes_t: int32_t, uint32_t, const void*
inline constexpr int32_t kCublasLtTransposeA = 3, kCublasLtEpilogue = 7, kCublasLtBiasPointer = 8;
inline constexpr uint32_t kCublasLtAddBias = 4;  // cublasLtEpilogue_t: for each row of D

// cublasLtMatmulPreferenceAttributes_t: uint64_t; uint32_t, and those of B, C and D behind it
inline constexpr int32_t kCublasLtMostWorkspace = 1, kCublasLtAlignmentA = 5;

/// The functions of the library. All but `status_string` return a cublasStatus_t. Matrices are
/// column by column, strides count elements from a column to the next.
struct CublasLt {
  int32_t (*create)(CublasLtContext** context);  ///< for the current device
  int32_t (*destroy)(CublasLtContext* context);
  const char* (*status_string)(int32_t status);

  int32_t (*layout_create)(CublasLtLayout** layout, int32_t type, uint64_t rows, uint64_t cols,
                           int64_t stride);
  int32_t (*layout_destroy)(CublasLtLayout* layout);
  int32_t (*operation_create)(CublasLtOperation** operation, int32_t sums, int32_t scale_type);
  int32_t (*operation_destroy)(CublasLtOperation* operation);
  int32_t (*operation_set)(CublasLtOperation* operation, int32_t attribute, const void* value,
                           size_t bytes);
  int32_t (*preference_create)(CublasLtPreference** preference);
  int32_t (*preference_destroy)(CublasLtPreference* preference);
  int32_t (*preference_set)(CublasLtPreference* preference, int32_t attribute, const void* value,
                            size_t bytes);

  /// The best algorithms first, `found` of them.
  int32_t (*choose)(CublasLtContext* context, CublasLtOperation* operation, CublasLtLayout* a,
                    CublasLtLayout* b, CublasLtLayout* c, CublasLtLayout* d,
                    CublasLtPreference* preference, int32_t most, CublasLtChoice* choices,
                    int32_t* found);
  /// D = alpha op(A) op(B) + beta C, queued in the stream. alpha and beta: f32 of the host.
  int32_t (*matmul)(CublasLtContext* context, CublasLtOperation* operation, const void* alpha,
                    const void* a, CublasLtLayout* a_layout, const void* b,
                    CublasLtLayout* b_layout, const void* beta, const void* c,
                    CublasLtLayout* c_layout, void* d, CublasLtLayout* d_layout,
                    const CublasLtAlgorithm* algorithm, void* workspace, size_t workspace_bytes,
                    CUstream_st* stream);
};

}  // namespace tessera
